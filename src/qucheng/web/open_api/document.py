"""The OpenAPI 3.1 document, put together from the routes themselves and the types that they read and answer."""

from __future__ import annotations

import http
import re
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.web import guards, machines
from qucheng.web.open_api import shapes
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from litestar.handlers import HTTPRouteHandler

    from qucheng.web.open_api.operations import Operation

PLACE = re.compile(r"\{(\w+):\w+\}")
SCHEMAS = "#/components/schemas/"
SIGNING = {
    "Qucheng-Key": n_("The key's id."),
    "Qucheng-Timestamp": n_("Seconds since 1970; at most 300 away from our clock."),
    "Qucheng-Nonce": n_("16 to 64 letters, digits, hyphens and underscores; once for each request."),
    "Qucheng-Signature": n_(
        "HMAC-SHA256 in hexadecimal, with the signing secret, over these lines with a line feed between them: QC1, method, path and query"
        " as sent, timestamp, nonce, Idempotency-Key (empty where there is none), and the SHA-256 of the body in hexadecimal."
    ),
}
ABOUT = n_(
    "For programs of a brand, or of one of its resellers. Amounts are decimal texts with their currency, rates are texts, instants are RFC 3339"
    " in UTC, and a day or a month is of the brand's time zone. What a key may not see is not there. A field that is not described is refused."
)
REFUSALS = {
    400: n_("It cannot be read: a parameter, the JSON or a missing Idempotency-Key."),
    401: n_("No key, or not one that is good now."),
    403: n_("The key is not for this, or not from here."),
    404: n_("Not there, or not for this key."),
    406: n_("The answer is JSON."),
    409: n_("Something else is to happen first; with Retry-After, ask again then."),
    410: n_("It is over."),
    412: n_("It was changed since it was read: read it again."),
    413: n_("The body is larger than 64 KiB."),
    415: n_("The body is application/json."),
    422: n_("It can be read, and cannot be done: errors has every field."),
    428: n_("If-Match is missing: which version is changed?"),
    429: n_("Too many requests."),
    503: n_("For the moment this is not done: send the same again after Retry-After."),
}
RETRIED = frozenset({409, 429, 503})
TEXT = {"type": "string"}
IN_PATH = {"form": {"type": "string", "enum": list(typing.get_args(shapes.DocumentFormat))}}
PLAIN = {"string": "…", "integer": 1, "boolean": False, "uuid": "019ab3c5-7d1e-7c3f-8a52-f0d1c2b3a495"}
LEFT = {
    "RateLimit-Policy": {"description": "How many requests (q) in how many seconds (w).", "schema": TEXT},
    "RateLimit": {"description": "How many are left (r), and in how many seconds all are (t).", "schema": TEXT},
}


def build(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """Of those that are for machines with a key."""
    described = [handler for handler in handlers if handler.opt.get(guards.AUDIENCE) == guards.API]
    operations = [handler.opt[guards.OPERATION] for handler in described]
    asked = [each.query for each in operations if each.query is not None]
    kept = [form for each in operations for form in (each.body, each.reply) if form is not None]
    _, schemas = msgspec.json.schema_components([*asked, *kept, shapes.Problem], ref_template=f"{SCHEMAS}{{name}}")
    names = {form.__name__ for form in asked}
    paths: dict[str, dict[str, Any]] = {}
    for handler in sorted(described, key=lambda each: sorted(each.paths)):
        for path in sorted(handler.paths):
            methods = paths.setdefault(PLACE.sub(lambda place: f"{{{_camel(place[1])}}}", path), {})
            for method in sorted(handler.http_methods):
                methods[method.lower()] = _operation(handler, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Qucheng", "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas) if name not in names},
            "responses": {_refusal_name(status): _refusal(status, text) for status, text in REFUSALS.items()},
            "securitySchemes": _schemes(),
        },
    }


def encoded(handlers: Iterable[HTTPRouteHandler]) -> bytes:
    """As it is served and kept."""
    return msgspec.json.format(msgspec.json.encode(build(handlers)), indent=2) + b"\n"


def _operation(handler: HTTPRouteHandler, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: Operation = handler.opt[guards.OPERATION]
    scope, signed = handler.opt[guards.PERMISSION], handler.opt[guards.SIGNED]
    described: dict[str, Any] = {
        "operationId": handler.fn.__name__,
        "tags": [operation.tag],
        "summary": operation.summary,
        **({"description": operation.about} if operation.about else {}),
        "security": [_security(scope, signed=signed)],
        "parameters": list(_parameters(operation, path, schemas)),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {machines.JSON: _content(operation.body, schemas)}}
    described["responses"] = {
        str(operation.status): _reply(operation, schemas),
        **{str(status): {"$ref": f"#/components/responses/{_refusal_name(status)}"} for status in _refusals(operation)},
    }
    return described


def _security(scope: str, *, signed: bool) -> dict[str, list[str]]:
    scopes = [] if scope == machines.ANY_KEY else [scope]
    return dict.fromkeys(SIGNING, scopes) if signed else {"bearer": scopes}


def _refusals(operation: Operation) -> list[int]:
    found = {401, 403, 429, 503, *operation.refusals}
    found |= {400} if operation.query is not None else set()
    found |= {400, 413, 415, 422} if operation.body is not None else set()
    found |= {400, 409, 422} if operation.idempotent else set()
    found |= {400, 412, 428} if operation.conditional else set()
    return sorted(found if operation.media else found | {406})


def _parameters(operation: Operation, path: str, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in PLACE.findall(path):
        yield {"name": _camel(name), "in": "path", "required": True, "schema": IN_PATH.get(name, TEXT)}
    if operation.idempotent:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": n_(
                "A new one for each thing to do, the same one when it is tried again. The reply is kept for 30 days."
            ),
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    if operation.conditional:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": n_("The ETag of what is changed, as it was read; * for whatever is there."),
            "schema": TEXT,
        }
    if operation.query is not None:
        described = schemas[operation.query.__name__]
        for name, schema in described["properties"].items():
            plain = _without_null(schema)
            about = plain.pop("description", None)
            yield {
                "name": name,
                "in": "query",
                "required": name in described.get("required", ()),
                **({"description": about} if about else {}),
                "schema": plain,
            }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is sent or not; there is none that is null."""
    given = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    for each in schema.get("anyOf", ()):
        if each != {"type": "null"}:
            given = {**each, **given}
    return given


def _reply(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = dict(LEFT)
    if operation.idempotent:
        headers["Idempotent-Replayed"] = {"description": "true: the first reply again; nothing was done.", "schema": TEXT}
    if operation.tagged or operation.conditional:
        headers["ETag"] = {"description": "Which version this is; for If-Match.", "schema": TEXT}
    if operation.reply is None:
        content: dict[str, Any] = {media.partition(";")[0]: {} for media in operation.media}
    else:
        content = {machines.JSON: _content(operation.reply, schemas)}
    return {"description": http.HTTPStatus(operation.status).phrase, "headers": headers, "content": content}


def _content(form: type[msgspec.Struct], schemas: dict[str, Any]) -> dict[str, Any]:
    name = form.__name__
    return {"schema": {"$ref": f"{SCHEMAS}{name}"}, "example": example(schemas[name], schemas)}


def _refusal_name(status: int) -> str:
    return f"Refused{status}"


def _refusal(status: int, text: str) -> dict[str, Any]:
    headers: dict[str, Any] = dict(LEFT) if status == http.HTTPStatus.TOO_MANY_REQUESTS else {}
    if status in RETRIED:
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    return {
        "description": text,
        **({"headers": headers} if headers else {}),
        "content": {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }


def _schemes() -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "The key's token, qc_live_… or qc_test_…."},
        **{name: {"type": "apiKey", "in": "header", "name": name, "description": text} for name, text in SIGNING.items()},
    }


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """A value that is as the schema says: its own example, or the plainest."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].removeprefix(SCHEMAS)], schemas)
    if "anyOf" in schema and "examples" not in schema:
        return example(next(each for each in schema["anyOf"] if each != {"type": "null"}), schemas)
    kind = schema.get("type")
    if kind == "object":
        return {name: example(each, schemas) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"], schemas)]
    named = schema.get("examples") or schema.get("enum") or [schema[name] for name in ("default",) if name in schema]
    return named[0] if named else PLAIN.get(str(schema.get("format", kind)))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
