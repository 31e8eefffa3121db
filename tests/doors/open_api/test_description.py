"""The description of the interface: as it is kept, whole, and true of the routes; and its reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.doors.account import browser as browsers

from qucheng import cli
from qucheng.identity import api_key
from qucheng.web import guards
from qucheng.web.open_api import ROUTES, document, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio

KEPT = Path(__file__).parents[3] / "openapi.json"


def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_what_is_kept_is_what_the_routes_say(tmp_path: Path) -> None:
    """Write it anew with `scripts/run openapi --out openapi.json`."""
    assert KEPT.read_bytes() == document.encoded(reference.OPERATIONS)
    assert cli.run(["openapi", "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == KEPT.read_bytes()


async def test_it_is_served_to_everybody(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/json", KEPT.read_bytes())


def test_every_route_with_a_key_is_described_and_no_other() -> None:
    routes = {
        (
            document.PLACE.sub(lambda place: "{" + re.sub("_(.)", lambda letter: letter[1].upper(), place[1]) + "}", path),
            method.lower(),
        )
        for handler in ROUTES
        if handler.opt[guards.AUDIENCE] == guards.API
        for path in handler.paths
        for method in handler.http_methods
    }
    assert {(path, method) for path, method, _ in operations()} == routes
    assert len({operation["operationId"] for _, _, operation in operations()}) == len(routes)


def test_every_operation_says_how_to_prove_who_calls_and_what_may_go_wrong() -> None:
    for path, method, operation in operations():
        (security,) = operation["security"]
        # what is corrected moves no money: the token is enough, and the version that was read is named instead of a key
        done, corrected = method == "post", method == "patch"
        # a terminal has no secret to sign with
        signed = method in {"post", "delete"} and path not in {"/api/v1/redemptions", "/api/v1/reversals"}
        # a code that was shown is not kept as a reply: asked again it is shown again
        kept = done and not path.endswith("/reveal")
        assert (set(security) == set(document.SIGNING)) is signed, path
        assert {scope for scopes in security.values() for scope in scopes} <= set(api_key.SCOPES)
        refusals = {"401", "403", "429", "503"} | ({"400", "409", "413", "415", "422"} if done else set())
        refusals |= {"400", "412", "413", "415", "422", "428"} if corrected else set()
        assert refusals <= set(operation["responses"]), path
        headers = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        assert headers == ({"Idempotency-Key"} if kept else {"If-Match"} if corrected else set()), path
        assert set(re.findall(r"\{(\w+)\}", path)) == {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        (good,) = [status for status in operation["responses"] if status.startswith("2")]
        for media, content in operation["responses"][good]["content"].items():
            assert (media != "application/json") or set(content) == {"schema", "example"}, path
    assert {method for _, method, _ in operations()} == {"get", "patch", "post", "delete"}


def test_what_is_referred_to_is_there_and_what_is_there_is_referred_to() -> None:
    whole = described()
    text = json.dumps(whole)
    referred = set(re.findall(r'"#/components/(\w+)/(\w+)"', text))
    there = {(kind, name) for kind in ("schemas", "responses") for name in whole["components"][kind]}
    assert referred == there
    assert set(whole["components"]["securitySchemes"]) == {"bearer", *document.SIGNING}
    assert (whole["openapi"], whole["info"]["version"]) == ("3.1.0", "1")


def test_no_answer_has_a_field_for_a_cost_or_a_buyer() -> None:
    # what is sent may name the consumer, as a hash
    answered = [schema for name, schema in described()["components"]["schemas"].items() if not name.endswith("Sent")]
    names = {name for schema in answered for name in schema.get("properties", {})}
    assert "orderNo" in names
    assert [name for name in names if re.search("cost|buyer|identity|secret|token", name, re.IGNORECASE)] == []
    assert [name for name in names if "_" in name] == []


@pytest.mark.parametrize(("language", "said"), [("en", "Ask for an adjustment"), ("zh-CN", "申请调整")])
async def test_the_reader_shows_every_operation_in_both_languages(house: browser.House, language: str, said: str) -> None:
    guest = await house.browser(base=browsers.HOME)
    guest.language = language
    answer = await guest.get("/api/v1/docs")
    assert answer.status_code == 200
    assert "script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert said in guest.page
    plain = guest.page.replace("<wbr>", "")
    for path, method, operation in operations():
        assert f"<code>{method.upper()} {path}</code>" in plain
        assert f'id="{operation["operationId"].replace("_", "-")}"' in plain
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', guest.page) == [
        'href="?lang=en"' if language == "zh-CN" else 'href="?lang=zh-CN"'
    ]
