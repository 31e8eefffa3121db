"""The demonstration on a platform: what `qucheng up` makes of an empty database, and finds again; and `qucheng demo`."""

from __future__ import annotations

import io
import stat
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests import product, serving
from tests.doors.cli import demo_state

from qucheng.bundle import demo_file
from qucheng.cli import opening
from qucheng.core import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's address of a platform that was given the demonstration."""
    with demo_state.platform(postgres_url, tmp_path_factory.mktemp("demo") / "var") as url:
        opening.open_platform(AT)
        yield url


def test_two_brands_with_people_months_and_keys_are_there(opened: str) -> None:
    assert demo_state.figures(opened) == demo_state.WHOLE
    found = demo_file.read(settings.load())
    assert (found.base_url, len(found.people)) == (AT, 28)
    assert [(key.brand, key.reseller, key.signing_secret is not None) for key in found.api_keys] == [
        ("lanxi", None, True), ("lanxi", "R021", True), ("meridian", None, True), ("lanxi", None, False), ("meridian", None, False),
    ]  # fmt: skip
    assert {key.token.rpartition("_")[0].partition("_")[2].partition("_")[0] for key in found.api_keys} == {"live"}
    tills = 'SELECT array_agg(k.name ORDER BY k.name COLLATE "C") FROM terminal t JOIN api_key k ON k.brand_id = t.brand_id AND k.id = t.api_key'
    assert serving.ask(opened, tills) == ["Meridian till", "岚汐门店收银"]
    assert demo_state.unusable(opened, found) == []
    assert stat.S_IMODE(demo_file.place(settings.load()).stat().st_mode) == 0o600


def test_a_sale_since_the_bundle_and_a_sale_below_are_there(opened: str) -> None:
    below = (
        "SELECT count(*) FROM accrual a JOIN order_line l USING (brand_id, order_no, line_no) JOIN brand b ON b.id = a.brand_id"
        " WHERE a.reseller <> l.reseller AND b.code = "
    )
    assert serving.ask(opened, f"{below}'lanxi'") > 1000
    assert serving.ask(opened, f"{below}'meridian' AND a.level = 3") > 50
    assert serving.ask(opened, "SELECT count(*) FROM order_line WHERE paid_on >= '2026-11-01'") > 0


def test_opened_again_it_stays_as_it_is_and_tells_the_new_address(opened: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = demo_state.rows(opened)
    told = demo_file.read(settings.load())
    opening.open_platform("http://127.0.0.1:9000")
    assert demo_state.rows(opened) == before
    told.base_url = "http://127.0.0.1:9000"
    assert demo_file.read(settings.load()) == told
    said = capsys.readouterr().out
    assert (
        said.splitlines()[0] == f"28 people of two brands can sign in; their passwords are in {demo_file.place(settings.load())}."
    )
    assert "  accountant  accountant@lanxi.example" in said
    assert not any(each.password in said or (each.totp_secret or each.password) in said for each in told.people)


def test_a_code_is_printed_for_who_needs_one_and_refused_for_others(opened: str) -> None:
    assert opened
    secret = demo_file.read(settings.load()).person("owner@lanxi.example").totp_secret
    assert secret is not None
    before = pyotp.TOTP(secret).now()
    run = product.run("demo", "code", "owner@lanxi.example")
    digits, _, left = run.stdout.partition("  for ")
    assert digits in {before, pyotp.TOTP(secret).now()}
    assert 1 <= int(left.removesuffix(" s more\n")) <= 30
    assert (run.status, run.stderr) == (0, "")
    for login, reason in (
        ("nobody@lanxi.example", "'nobody@lanxi.example' is no sign-in of the demonstration: qucheng demo people lists them."),
        ("support@lanxi.example", "support@lanxi.example signs in with the password alone."),
    ):
        refused = product.run("demo", "code", login)
        assert (refused.status, refused.stdout, refused.stderr) == (1, "", f"qucheng: {reason}\n")


def test_all_sign_ins_are_listed(opened: str) -> None:
    assert opened
    found = demo_file.read(settings.load())
    run = product.run("demo", "people")
    lines = run.stdout.splitlines()
    assert (run.status, run.stderr, len(lines)) == (0, "", 29)
    assert lines[0] == found.base_url
    (several,) = [line for line in lines if line.startswith("several@")]
    person = found.person("several@qucheng.example")
    assert several.split("  ")[-1] == "auditor lanxi, accountant meridian, admin lanxi R002, seller lanxi R021"
    assert several.split()[:4] == ["several@qucheng.example", person.password, "code", "江流"]


def test_a_database_with_people_of_its_own_is_left_alone(
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    var = tmp_path_factory.mktemp("own") / "var"
    with demo_state.platform(postgres_url, var) as url:
        monkeypatch.setattr("sys.stdin", io.StringIO("plum-otter-42-river\n"))
        assert product.run("user", "add", "ops@example.com", "--name", "Ming").status == 0
        before = demo_state.rows(url)
        opening.open_platform(AT)
        assert demo_state.rows(url) == before
        assert not (var / "demo.json").exists()
        assert not (var / "demo").exists()
    assert capsys.readouterr() == (
        "",
        "qucheng: The database of DATABASE_URL has people or brands of its own, so the demonstration is left out: --no-demo says so.\n",
    )
