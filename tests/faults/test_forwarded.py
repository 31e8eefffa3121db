"""Who is believed about where a request comes from: the proxies that are named, and nobody else."""

from __future__ import annotations

import html
import os
import re
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests import serving

from qucheng.core import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = re.compile(r'name="_csrf" value="([^"]+)"')


@pytest.fixture(scope="module")
def owner_url(postgres_url: str) -> Iterator[str]:
    """Migrated by the first that serves from it."""
    name = f"forwarded_{os.getpid()}_{time.monotonic_ns()}"
    serving.ask(postgres_url, f"CREATE DATABASE {name}")
    yield database.with_database(postgres_url, name)
    serving.drop(postgres_url, name)
    serving.ask(postgres_url, f"DROP ROLE IF EXISTS qucheng_app_{name}")


def counted(web: serving.Web, forwarded_for: str) -> bool:
    """Whether cookies go over https only, after an attempt to sign in that was counted."""
    origin = f"http://127.0.0.1:{web.port}"
    forwarded = {
        "x-forwarded-for": forwarded_for,
        "x-forwarded-proto": "https",
        "origin": origin,
        "sec-fetch-site": "same-origin",
    }
    with httpx.Client(base_url=origin, headers=forwarded, trust_env=False) as client:
        page = client.get("/sign-in")
        found = TOKEN.search(page.text)
        assert found is not None
        # a jar keeps what is for https from plain http, which is all that there is between a proxy and us
        cookies = "; ".join(cookie.split(";")[0] for cookie in page.headers.get_list("set-cookie"))
        fields = {"_csrf": html.unescape(found[1]), "login": "nobody@example.com", "password": "plum-otter-42-river"}
        answer = client.post("/sign-in", data=fields, headers={"cookie": cookies})
        assert answer.status_code == 422, answer.text
        return "__Host-visit" in cookies


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "networks", "secure"),
    [
        ("", "203.0.113.9", ["127.0.0.0/24"], False),
        ("198.51.100.7", "203.0.113.9", ["127.0.0.0/24"], False),
        ("127.0.0.1", "203.0.113.9", ["203.0.113.0/24"], True),
        # what the client wrote itself stands before what the proxy adds
        ("127.0.0.1", "192.0.2.66, 203.0.113.9", ["203.0.113.0/24"], True),
        ("127.0.0.1, 203.0.113.0/24", "192.0.2.66, 203.0.113.9", ["192.0.2.0/24"], True),
    ],
)
def test_a_proxy_that_is_named_is_believed(
    owner_url: str,
    valkey_url: str,
    tmp_path: Path,
    proxies: str,
    forwarded_for: str,
    networks: list[str],
    secure: bool,  # noqa: FBT001
) -> None:
    named = {"DATABASE_URL": owner_url, "REDIS_URL": valkey_url, "QUCHENG_TRUSTED_PROXIES": proxies}
    with serving.web(tmp_path / "var", **named) as web:
        serving.ask(owner_url, "DELETE FROM sign_in_failure")
        assert counted(web, forwarded_for) is secure
    assert serving.ask(owner_url, "SELECT array_agg(network) FROM sign_in_failure") == networks
