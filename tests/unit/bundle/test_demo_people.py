"""The sign-ins of the demonstration: who there is, the file they stand in, and the codes."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import stat
from typing import TYPE_CHECKING

import pytest

from qucheng.bundle import demo_current, demo_file, demo_network, demo_people, demo_second
from qucheng.core import settings
from qucheng.identity import password as passwords
from qucheng.identity import permissions

if TYPE_CHECKING:
    from pathlib import Path

NOON = dt.datetime(2026, 11, 22, 4, 0, 12, tzinfo=dt.UTC)
FIRST_DAYS_LINES = 251  # 138 for a Sunday, grown by 3 in a thousand for each of 92 days, over 700
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - of nobody


def at(tmp_path: Path) -> settings.Settings:
    return settings.load({"QUCHENG_VAR": str(tmp_path / "var")})


def sign_in(login: str, secret: str | None) -> demo_file.SignIn:
    role = demo_file.Role(role="owner", brand="lanxi", reseller=None)
    return demo_file.SignIn(login=login, password="x", totp_secret=secret, name="某人", roles=[role])  # noqa: S106 - of nobody


def test_every_role_is_played_in_both_brands_and_one_person_has_several() -> None:
    roles = {(part.brand, part.role) for player in demo_people.PLAYERS for part in player.parts}
    brands = (demo_people.LANXI, demo_people.MERIDIAN)
    assert roles == {(None, "operator")} | {
        (brand, role) for brand in brands for role in (*permissions.BRAND_ROLES, *permissions.RESELLER_ROLES)
    }
    own = [(player.login, len(player.parts)) for player in demo_people.PLAYERS if len(player.parts) > 1]
    assert own == [("several@qucheng.example", 4)]
    for brand in brands:
        owners = [player for player in demo_people.PLAYERS if demo_people.Part(brand=brand, role="owner") in player.parts]
        assert len(owners) == 2
    assert len({player.login for player in demo_people.PLAYERS}) == len(demo_people.PLAYERS) == 28


def test_a_parent_a_child_and_a_sibling_have_people() -> None:
    parents = {reseller.code: demo_network.code_of(reseller.parent) for reseller in demo_network.RESELLERS}
    assert (parents["R043"], parents["R044"], parents["R001"]) == ("R001", "R001", "")
    played = {part.reseller for player in demo_people.PLAYERS for part in player.parts}
    assert {"R001", "R043", "R044", "R021", "M01", "M05", "M06"} < played


def test_a_password_is_taken_for_every_player() -> None:
    made = {demo_file.password() for _ in range(200)}
    assert len(made) == 200
    for player in demo_people.PLAYERS:
        for password in made:
            passwords.require(password, names=(player.login, player.name))


def test_the_file_is_its_owners_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    current = at(tmp_path)
    with pytest.raises(demo_file.FileUnusableError, match="is not there"):
        demo_file.read(current)
    written = demo_file.Demo(base_url="http://127.0.0.1:8000", people=[sign_in("a@lanxi.example", SECRET)], api_keys=[])
    for base_url in ("http://127.0.0.1:8000", "http://127.0.0.1:9000"):
        written.base_url = base_url
        demo_file.write(current, written)
        assert demo_file.read(current) == written
        assert stat.S_IMODE(demo_file.place(current).stat().st_mode) == 0o600
    assert [file.name for file in current.var.iterdir()] == ["demo.json"]
    demo_file.place(current).write_text("{}", encoding="utf-8")
    with pytest.raises(demo_file.FileUnusableError, match="does not hold"):
        demo_file.read(current)


def test_a_code_is_that_of_the_moment_with_the_seconds_it_has_left() -> None:
    assert demo_file.code(sign_in("a@lanxi.example", SECRET), now=NOON) == (reckoned(SECRET, NOON), 18)
    with pytest.raises(demo_file.SignInUnknownError, match="with the password alone"):
        demo_file.code(sign_in("a@lanxi.example", None), now=NOON)


def reckoned(secret: str, now: dt.datetime) -> str:
    """RFC 6238, written out."""
    mac = hmac.digest(base64.b32decode(secret), (int(now.timestamp()) // 30).to_bytes(8, "big"), "sha1")
    start = mac[-1] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def test_a_person_is_found_by_login_however_it_is_typed() -> None:
    found = demo_file.Demo(base_url="http://x", people=[sign_in("a@lanxi.example", None)], api_keys=[])
    assert found.person(" A@lanxi.example ").login == "a@lanxi.example"
    with pytest.raises(demo_file.SignInUnknownError, match="qucheng demo people"):
        found.person("b@lanxi.example")


@pytest.mark.parametrize("write", [demo_current.write, demo_second.write])
def test_a_later_delivery_says_the_same_of_every_hour_before(write: object, tmp_path: Path) -> None:
    counts = [write(tmp_path / str(hour), now=NOON + dt.timedelta(hours=hour)) for hour in (0, 9, 30)]  # type: ignore[operator]
    assert 0 < counts[0] < counts[1] < counts[2]
    for file in ("orders.csv", "refunds.csv"):
        lines = [(tmp_path / hour / file).read_text(encoding="utf-8").splitlines() for hour in ("0", "9", "30")]
        assert set(lines[0]) <= set(lines[1]) <= set(lines[2])


def test_nothing_is_delivered_before_the_bundle_has_ended(tmp_path: Path) -> None:
    assert demo_current.write(tmp_path / "before", now=dt.datetime(2026, 10, 31, 15, 59, tzinfo=dt.UTC)) == 0
    assert demo_current.write(tmp_path / "after", now=dt.datetime(2026, 11, 1, 15, 59, tzinfo=dt.UTC)) == FIRST_DAYS_LINES
    assert (tmp_path / "before" / "orders.csv").read_text(encoding="utf-8").count("\n") == 1
