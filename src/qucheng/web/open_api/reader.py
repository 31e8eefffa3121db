"""The description as a person reads it: operations in their groups, with their fields in flat rows."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.web.open_api import document

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 4


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A field: where it stands, as `items[].lines[].net`, what it is, and whether it must be there."""

    name: str
    kind: str
    needed: bool
    about: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    method: str
    path: str
    tag: str
    summary: str
    about: str
    scopes: tuple[str, ...]
    signed: bool
    parameters: tuple[Row, ...]
    body: tuple[Row, ...]
    body_example: str | None
    reply: tuple[Row, ...]
    reply_example: str | None
    status: str
    media: tuple[str, ...]
    refusals: tuple[str, ...]


def view(described: dict[str, Any]) -> dict[str, Any]:
    """What the page shows."""
    schemas = described["components"]["schemas"]
    shown = [
        _shown(method, path, operation, schemas)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    refusals = {str(status): text for status, text in document.REFUSALS.items()}
    groups = [(tag["name"], [each for each in shown if each.tag == tag["name"]]) for tag in described["tags"]]
    return {"groups": groups, "refusals": refusals, "signing": document.SIGNING, "about": described["info"]["description"]}


def _shown(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Shown:
    security, replies = operation["security"][0], operation["responses"]
    status = next(code for code in replies if code.startswith("2"))
    sent, answered = operation.get("requestBody", {}).get("content", {}), replies[status]["content"]
    return Shown(
        id=operation["operationId"].replace("_", "-"),
        method=method.upper(),
        path=path,
        tag=operation["tags"][0],
        summary=operation["summary"],
        about=operation.get("description", ""),
        scopes=tuple(next(iter(security.values()))),
        signed="bearer" not in security,
        parameters=tuple(_parameter(each) for each in operation["parameters"]),
        body=tuple(_fields(sent, schemas)),
        body_example=_example(sent),
        reply=tuple(_fields(answered, schemas)),
        reply_example=_example(answered),
        status=f"{status} {http.HTTPStatus(int(status)).phrase}",
        media=tuple(answered),
        refusals=tuple(code for code in replies if code != status),
    )


def _parameter(given: dict[str, Any]) -> Row:
    return Row(name=given["name"], kind=_kind(given["schema"]), needed=given["required"], about=given.get("description", ""))


def _example(content: dict[str, Any]) -> str | None:
    found = next((each["example"] for each in content.values() if "example" in each), None)
    return None if found is None else msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _fields(content: dict[str, Any], schemas: dict[str, Any]) -> Iterator[Row]:
    for each in content.values():
        if "schema" in each:
            yield from _rows(each["schema"], schemas, ())


def _rows(schema: dict[str, Any], schemas: dict[str, Any], above: tuple[str, ...]) -> Iterator[Row]:
    whole = _resolved(schema, schemas)
    if whole.get("type") == "array":
        whole = _resolved(whole["items"], schemas)
        above = (*above[:-1], f"{above[-1]}[]")
    if len(above) > DEEPEST:
        return
    for name, field in whole.get("properties", {}).items():
        inner, here = _resolved(field, schemas), (*above, name)
        about = field.get("description") or ("" if "properties" in inner else inner.get("description", ""))
        yield Row(name=".".join(here), kind=_kind(field), needed=name in whole.get("required", ()), about=about)
        if not _is_money(field):
            yield from _rows(field, schemas, here)


def _is_money(schema: dict[str, Any]) -> bool:
    return _kind(schema).startswith("Money")


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    for each in schema.get("anyOf", ()):
        if each != {"type": "null"}:
            return _resolved(each, schemas)
    if "$ref" in schema:
        found: dict[str, Any] = schemas[schema["$ref"].removeprefix(document.SCHEMAS)]
        return found
    return schema


def _kind(schema: dict[str, Any]) -> str:
    """In a word or two: `string`, `Money`, `array of Line`, `waiting | approved`."""
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(document.SCHEMAS)
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))
