"""Whatever fits the description of the API, and whatever does not, is answered as described: for a brand's key and for a reseller's."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from schemathesis import schemas
from schemathesis.checks import not_a_server_error
from schemathesis.core import result
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks
from tests.doors.matrix import callers, table, world

from qucheng.identity import api_signature

if TYPE_CHECKING:
    import httpx
    from tests.doors.matrix import attempts

    from qucheng.identity import api_key

pytestmark = pytest.mark.anyio

DESCRIPTION = schemathesis.openapi.from_path(Path(__file__).parents[3] / "openapi.json")
OPERATIONS = {
    found.label: found for found in (each.ok() for each in DESCRIPTION.get_all_operations() if isinstance(each, result.Ok))
}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 16
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
THERE = {200, 201, 202, 404, 409, 422}
# what exists, besides what is made up
REAL = {"orderNo": "K-R-own-1", "code": world.RESELLER, "form": "csv"}


@pytest.fixture(scope="module")
async def keys(ground: attempts.Ground) -> dict[str, api_key.Issued]:
    own = ground.world.own
    return {
        "brand": await callers.issue(ground, own, callers.READING | callers.MONEY),
        "reseller": await callers.issue(ground, own, callers.OWN_ROWS, reseller=world.RESELLER),
    }


@pytest.mark.parametrize("identity", ["brand", "reseller"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_answer_is_as_described(
    ground: attempts.Ground, keys: dict[str, api_key.Issued], operation: str, identity: str
) -> None:
    statuses = set()
    for case in [each for mode in MODES for each in cases(OPERATIONS[operation], mode)]:
        ground.unlimited()
        ground.client.cookies.clear()
        answer = await sent(ground, case, keys[identity])
        case.validate_response(answer, checks=CHECKS)
        statuses.add(answer.status_code)
    if identity == "brand" or scope_of(operation) in callers.OWN_ROWS | {"any-key"}:
        assert statuses & THERE
    else:  # what is no id at all is nowhere, whoever asks
        assert not statuses & THERE - ({404} if "Id}" in operation else set())


def scope_of(operation: str) -> str:
    named = re.sub(r"(?<=[a-z])[A-Z](?=[a-z]*\})", lambda found: f"_{found[0].lower()}", operation)
    (scope,) = [route.permission for route in table.routes() if route.name == named]
    return scope


def cases(operation: schemas.APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> list[schemathesis.Case[Any]]:
    """Made before any is sent, the same in every run. Every second one names something that exists."""
    found: list[schemathesis.Case[Any]] = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: schemathesis.Case[Any]) -> None:
        for name in set(case.path_parameters or {}) & REAL.keys():
            if len(found) % 2:
                case.path_parameters[name] = REAL[name]
        found.append(case)

    collect()
    return found


async def sent(ground: attempts.Ground, case: schemathesis.Case[Any], key: api_key.Issued) -> httpx.Response:
    """With the key's token, and signed where that is asked for."""
    # a header is bytes: what is not Latin-1 cannot be sent at all
    for name, value in list((case.headers or {}).items()):
        case.headers[name] = value.encode("latin-1", "replace").decode("latin-1")
    made = case.as_transport_kwargs(base_url=str(ground.client.base_url).rstrip("/"))
    if isinstance(made.get("data"), str | bytes):
        made["content"] = made.pop("data")
    made["headers"] = {name: str(value).encode("latin-1") for name, value in (made.get("headers") or {}).items()}
    request = ground.client.build_request(**made)
    request.headers["authorization"] = f"Bearer {key.token}"
    if scope_of(case.operation.label) in callers.MONEY and key.signing_secret is not None:
        signed = api_signature.Signed(
            method=request.method,
            target=request.url.raw_path.decode(),
            timestamp=str(int(time.time())),
            nonce=uuid.uuid4().hex,
            idempotency_key=request.headers.get("idempotency-key", ""),
            body=request.content,
            signature="",
        )
        request.headers.update(
            {
                "qucheng-key": key.id.hex,
                "qucheng-timestamp": signed.timestamp,
                "qucheng-nonce": signed.nonce,
                "qucheng-signature": api_signature.sign(signed, key.signing_secret),
            }
        )
    return await ground.client.send(request)


def test_every_route_of_the_api_is_described() -> None:
    assert sorted(map(scope_of, OPERATIONS)) == sorted(route.permission for route in table.routes() if route.audience == "api")
