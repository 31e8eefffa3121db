"""What a machine sends, read field by field, so that all that is wrong with it is told at once."""

from __future__ import annotations

import functools
import re
import types
import typing
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Request

T = TypeVar("T", bound=msgspec.Struct)

MOST_FAULTS = 100
# as a parameter is written: neither 1e2 nor 2.0
NUMBER = re.compile("-?[0-9]{1,18}")
# what a text may not hold: the database has no room for the first, and no encoding for the others
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field: a JSON pointer into the body, or the name of a parameter of the query."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class _InvalidError(errors.RefusedError):
    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} of the fields cannot be so: see errors.")
        self.faults = faults[:MOST_FAULTS]


class BodyInvalidError(_InvalidError):
    code: ClassVar[str] = "request.fields"
    status: ClassVar[int] = 422


class QueryInvalidError(_InvalidError):
    code: ClassVar[str] = "request.parameters"
    status: ClassVar[int] = 400


class NotJsonError(errors.RefusedError):
    code: ClassVar[str] = "request.not_json"
    status: ClassVar[int] = 400


class ContentTypeError(errors.RefusedError):
    code: ClassVar[str] = "request.content_type"
    status: ClassVar[int] = 415


async def body(request: Request[Any, Any, Any], form: type[T]) -> T:
    """Raises ContentTypeError, NotJsonError, or BodyInvalidError with all of its fields."""
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or rest.strip().lower() not in {"", "charset=utf-8", 'charset="utf-8"'}:
        raise ContentTypeError("Send JSON, as application/json.")
    try:
        given = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NotJsonError("The body is not JSON.") from None
    found = list(faults(given, form, ""))
    if found:
        raise BodyInvalidError(found)
    return msgspec.convert(given, form)


def query(request: Request[Any, Any, Any], form: type[T]) -> T:
    """Raises QueryInvalidError with all of its parameters."""
    fields = _fields(form)
    given: dict[str, str | int] = {}
    found = []
    for name in dict.fromkeys(request.query_params):
        values = request.query_params.getall(name)
        if name not in fields:
            found.append(_of_parameter(Fault(code="unknown", detail="There is no such parameter."), _shown(name)))
        elif len(values) > 1:
            found.append(_of_parameter(Fault(code="repeated", detail="Send it once."), name))
        else:
            given[name] = _parameter(values[0], fields[name].type)
            found += [_of_parameter(each, name) for each in _of_leaf(given[name], fields[name].type, "")]
    found += [
        _of_parameter(Fault(code="missing", detail="This is needed."), name)
        for name, field in fields.items()
        if field.required and name not in request.query_params
    ]
    if found:
        raise QueryInvalidError(found)
    return msgspec.convert(given, form)


def _parameter(text: str, form: Any) -> str | int:  # noqa: ANN401 - any type of ours
    """As JSON would have it. An instant and a day are texts there as well, and no number of seconds."""
    form = _chosen(text, form)
    plain = typing.get_args(form)[0] if typing.get_origin(form) is typing.Annotated else form
    return int(text) if plain is int and NUMBER.fullmatch(text) else text


@functools.cache
def _fields(form: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """By the name under which each is sent."""
    return {field.encode_name: field for field in msgspec.structs.fields(form)}


def _of_parameter(fault: Fault, name: str) -> Fault:
    return Fault(code=fault.code, detail=fault.detail, parameter=name)


def _shown(name: str) -> str:
    """A name that we did not give, as far as it may be repeated."""
    return UNSTORABLE.sub("", name)[:80]


def faults(value: Any, form: Any, pointer: str) -> Iterator[Fault]:  # noqa: ANN401 - any JSON, and any type of ours
    """Everything in a JSON value that is not as the type says."""
    form = _chosen(value, form)
    plain = typing.get_args(form)[0] if typing.get_origin(form) is typing.Annotated else form
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        yield from _of_struct(value, plain, pointer)
    elif typing.get_origin(plain) in (list, tuple) and isinstance(value, list):
        if plain is not form:  # how many there may be is said of the list
            yield from _of_leaf(value, typing.Annotated[(list[Any], *form.__metadata__)], pointer)
        inner = typing.get_args(plain)[0]
        for place, each in enumerate(value):
            yield from faults(each, inner, f"{pointer}/{place}")
    else:
        yield from _of_leaf(value, form, pointer)


def _chosen(value: object, form: Any) -> Any:  # noqa: ANN401 - any type of ours
    """Of `X | None`, sent or not, what the value is to be."""
    if typing.get_origin(form) in (typing.Union, types.UnionType) and value is not None:
        others = [each for each in typing.get_args(form) if each not in (type(None), msgspec.UnsetType)]
        if len(others) == 1:
            return others[0]
    return form


def _of_struct(value: Any, form: type[msgspec.Struct], pointer: str) -> Iterator[Fault]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        yield Fault(code="type", detail="This is an object.", pointer=pointer)
        return
    fields = _fields(form)
    for name, field in fields.items():
        if name in value:
            yield from faults(value[name], field.type, f"{pointer}/{name}")
        elif field.required:
            yield Fault(code="missing", detail="This is needed.", pointer=f"{pointer}/{name}")
    for name in value:
        if name not in fields:
            escaped = _shown(name).replace("~", "~0").replace("/", "~1")
            yield Fault(code="unknown", detail="There is no such field.", pointer=f"{pointer}/{escaped}")


def _of_leaf(value: Any, form: Any, pointer: str) -> Iterator[Fault]:  # noqa: ANN401 - any JSON, and any type of ours
    if isinstance(value, str) and UNSTORABLE.search(value):
        yield Fault(code="characters", detail="A character in this cannot be stored.", pointer=pointer)
        return
    try:
        msgspec.convert(value, form)
    except (msgspec.ValidationError, OverflowError) as error:
        yield Fault(code="invalid", detail=_told(str(error), form), pointer=pointer)


def _told(message: str, form: Any) -> str:  # noqa: ANN401 - any type of ours
    """Never the value itself."""
    if message.startswith("Invalid enum value"):
        words = [str(word) for each in (form, *typing.get_args(form)) for word in typing.get_args(each) if isinstance(word, str)]
        words = words or [str(word) for word in typing.get_args(form)]
        return f"One of {', '.join(dict.fromkeys(words))}."
    return message.partition(" - at ")[0].replace("`", "") + "."
