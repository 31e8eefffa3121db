"""What production lacks: each reason by itself, all at once, and none where nothing is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib import parse

import asyncpg
import pytest
from structlog import testing
from tests import books, product

from qucheng.core import crypto, production, settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

TRIAL = [
    "DATABASE_URL is not set",
    "APP_DATABASE_URL is not set",
    "REDIS_URL is not set",
    "QUCHENG_PUBLIC_URL is not an https address",
    "QUCHENG_TRUSTED_PROXIES is not set",
    "QUCHENG_MAIL_URL is not set",
    "QUCHENG_MAIL_FROM is not set",
    "QUCHENG_METRICS_TOKEN is not set",
    "there is no ring of keys in var/keys",
]


@pytest.fixture
def fit(workspace: books.Workspace, tmp_path: Path) -> dict[str, str]:
    """The environment of an installation that lacks nothing."""
    var = tmp_path / "var"
    crypto.keys(var / "keys")
    var.chmod(0o750)
    return {
        "QUCHENG_PRODUCTION": "1",
        "DATABASE_URL": workspace.owner,
        "APP_DATABASE_URL": workspace.app,
        "REDIS_URL": "rediss://:plum-otter-42@cache.example:6379",
        "QUCHENG_PUBLIC_URL": "https://shop.example",
        "QUCHENG_TRUSTED_PROXIES": "127.0.0.1, 10.0.4.0/24",
        "QUCHENG_MAIL_URL": "smtps://shop:plum-otter-42@mail.example",
        "QUCHENG_MAIL_FROM": "Shop <shop@shop.example>",
        "QUCHENG_METRICS_TOKEN": "plum-otter-42-river-plum",
        "QUCHENG_VAR": str(var),
    }


def whats(environment: dict[str, str]) -> list[str]:
    return [reason.what for reason in production.reasons(settings.load(environment))]


async def test_nothing_is_missing_where_all_is_named(fit: dict[str, str]) -> None:
    assert whats(fit) == []
    production.require(settings.load(fit))


async def test_without_a_gateway_for_text_messages_there_is_a_warning_and_no_reason(
    fit: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = {"QUCHENG_SMS_URL": "https://texts.example/send", "QUCHENG_SMS_TOKEN": "plum-otter-42"}
    for environment, said in ((fit, 1), ({**fit, **gateway}, 0), ({**fit, "QUCHENG_PRODUCTION": "0"}, 0)):
        current = settings.load(environment)
        assert len(production.warnings(current)) == said
        lines = testing.CapturingLogger()
        monkeypatch.setattr(production, "log", lines)
        production.require(current)
        production.warn(current)
        assert [(line.method_name, line.args) for line in lines.calls] == [("warning", ("production.lacks",))] * said
    assert whats({**fit, **gateway}) == []


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("REDIS_URL", "", "REDIS_URL is not set"),
        ("REDIS_URL", "redis://:Redis@cache.example", "the password in REDIS_URL is one that is tried first"),
        ("QUCHENG_PUBLIC_URL", "http://shop.example", "QUCHENG_PUBLIC_URL is not an https address"),
        ("QUCHENG_TRUSTED_PROXIES", "", "QUCHENG_TRUSTED_PROXIES is not set"),
        ("QUCHENG_WEBHOOK_NETWORKS", "127.0.0.1", "QUCHENG_WEBHOOK_NETWORKS is set"),
        ("QUCHENG_MAIL_URL", "", "QUCHENG_MAIL_URL is not set"),
        ("QUCHENG_MAIL_URL", "smtps://Shop:shop@mail.example", "the password in QUCHENG_MAIL_URL is one that is tried first"),
        ("QUCHENG_MAIL_FROM", "", "QUCHENG_MAIL_FROM is not set"),
        ("QUCHENG_METRICS_TOKEN", "", "QUCHENG_METRICS_TOKEN is not set"),
    ],
)
async def test_one_thing_that_is_missing_is_one_reason(fit: dict[str, str], name: str, value: str, what: str) -> None:
    assert whats({**fit, name: value}) == [what]


async def test_without_a_role_of_its_own_for_the_app_there_is_a_reason(fit: dict[str, str]) -> None:
    assert whats({**fit, "APP_DATABASE_URL": ""}) == ["APP_DATABASE_URL is not set"]
    for url in (fit["DATABASE_URL"], fit["APP_DATABASE_URL"].replace("127.0.0.1", "localhost")):
        expected = ["the role of APP_DATABASE_URL can switch the database's checks off"] if url == fit["DATABASE_URL"] else []
        assert whats({**fit, "APP_DATABASE_URL": url}) == expected


async def test_a_server_that_does_not_answer_is_a_reason(fit: dict[str, str]) -> None:
    nowhere = parse.urlsplit(fit["DATABASE_URL"])._replace(netloc="owner:plum-otter@127.0.0.1:1").geturl()
    assert whats({**fit, "DATABASE_URL": nowhere}) == ["PostgreSQL does not answer: ConnectionRefusedError"]
    wrong = parse.urlsplit(fit["APP_DATABASE_URL"])
    host = wrong.netloc.rpartition("@")[2]
    assert whats({**fit, "APP_DATABASE_URL": wrong._replace(netloc=f"{wrong.username}:not-it@{host}").geturl()}) == [
        f'PostgreSQL does not let us in: password authentication failed for user "{wrong.username}"'
    ]


async def test_the_demonstration_in_the_database_is_a_reason(fit: dict[str, str], owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO demonstration DEFAULT VALUES")
    try:
        assert whats(fit) == ["the database holds the demonstration"]
    finally:
        await owner.execute("DELETE FROM demonstration")
    assert whats(fit) == []


async def test_the_app_cannot_take_the_mark_back(app: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    await app.execute("INSERT INTO demonstration (id) VALUES (true)")
    try:
        for change in ("DELETE FROM demonstration", "TRUNCATE demonstration", "UPDATE demonstration SET begun_at = begun_at"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(change)
        with pytest.raises(asyncpg.UniqueViolationError):
            await app.execute("INSERT INTO demonstration (id) VALUES (true)")
        assert await owner.fetchval("SELECT count(*) FROM demonstration") == 1
    finally:
        await owner.execute("DELETE FROM demonstration")


async def test_no_keys_or_keys_that_others_read_are_a_reason(fit: dict[str, str], tmp_path: Path) -> None:
    ring = tmp_path / "var" / "keys" / "ring.json"
    ring.chmod(0o644)
    assert whats(fit) == ["ring.json can be read by others than its owner: chmod 600 it."]
    ring.unlink()
    assert whats(fit) == ["there is no ring of keys in var/keys"]
    assert not ring.exists()


async def test_a_folder_open_to_everybody_is_a_reason(fit: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "var").chmod(0o751)
    assert whats(fit) == [f"{tmp_path / 'var'} is open to everybody on this machine"]


async def test_a_named_crash_is_a_reason(fit: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUCHENG_CRASH_AT", "run.computed")
    assert whats(fit) == ["QUCHENG_CRASH_AT is set"]


async def test_a_trial_is_refused_with_all_reasons_at_once_and_only_where_it_is_called_production(tmp_path: Path) -> None:
    environment = {"QUCHENG_PRODUCTION": "1", "QUCHENG_VAR": str(tmp_path / "var")}
    with pytest.raises(production.UnfitError) as refused:
        production.require(settings.load(environment), demo=True)
    head, *lines = str(refused.value).splitlines()
    assert head == "this installation is not fit for production (QUCHENG_PRODUCTION=1):"
    assert [line.removeprefix("  - ").partition(":")[0] for line in lines] == [*TRIAL, "the demonstration was asked for"]
    production.require(settings.load({**environment, "QUCHENG_PRODUCTION": "0"}), demo=True)


def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "APP_DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("command", ["serve", "worker", "up"])
def test_no_start_begins_anything(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    var = tmp_path / "var"
    without_servers(monkeypatch)
    monkeypatch.setenv("QUCHENG_VAR", str(var))
    monkeypatch.setenv("QUCHENG_PRODUCTION", "1")
    run = product.run(command)
    asked = ["the demonstration was asked for"] if command == "up" else []
    assert (run.status, run.stdout) == (1, "")
    assert [line.removeprefix("  - ").partition(":")[0] for line in run.stderr.splitlines()[1:]] == [*TRIAL, *asked]
    assert not var.exists()


def test_the_doctor_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_servers(monkeypatch)
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path / "var"))
    assert "production" not in product.run("doctor").stdout
    monkeypatch.setenv("QUCHENG_PRODUCTION", "1")
    run = product.run("doctor")
    found = [line.partition("production: ")[2] for line in run.stdout.splitlines() if line.startswith("MISSING  production: ")]
    assert (run.status, found) == (1, TRIAL)
    warned = [line for line in run.stdout.splitlines() if line.startswith("WARNING  ")]
    assert [line.partition(" is not set")[0] for line in warned] == ["WARNING  production: QUCHENG_SMS_URL"]
    monkeypatch.setenv("QUCHENG_SMS_URL", "https://texts.example/send")
    monkeypatch.setenv("QUCHENG_SMS_TOKEN", "plum-otter-42")
    assert "WARNING" not in product.run("doctor").stdout


def test_a_ring_of_keys_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path / "var"))
    ring = tmp_path / "var" / "keys" / "ring.json"
    none = product.run("keyring", "add")
    assert (none.status, none.stderr) == (1, f"qucheng: {ring.parent} has no ring of keys: qucheng keyring make.\n")
    assert product.run("keyring", "make").status == 0
    made = ring.read_bytes()
    again = product.run("keyring", "make")
    assert (again.status, again.stderr) == (1, f"qucheng: {ring.parent} has a ring of keys already.\n")
    assert ring.read_bytes() == made
    added = product.run("keyring", "add")
    assert (added.status, added.stdout) == (
        0,
        f"key 2 of {ring.parent} seals from now on\n",
    )
    sealed = crypto.keys(ring.parent).seal(b"x", place="here")
    assert sealed[:3] == bytes([1, 0, 2])


async def test_a_brand_that_the_simulator_pays_is_a_reason(
    fit: dict[str, str], owner: asyncpg.Connection, tmp_path: Path
) -> None:
    brand = await books.found(books.write(tmp_path / "bundle", code="simulated"))
    added = "INSERT INTO sales_setting (brand_id, manual_sale, provider, changed_at) VALUES ($1, 'off', $2, now())"
    await owner.execute(added, brand.id, "simulator")
    try:
        assert whats(fit) == ["a brand lets the payment simulator take its money"]
        await owner.execute("UPDATE sales_setting SET provider = 'null' WHERE brand_id = $1", brand.id)
        assert whats(fit) == []
    finally:
        await owner.execute("DELETE FROM sales_setting WHERE brand_id = $1", brand.id)
