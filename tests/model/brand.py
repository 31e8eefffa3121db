"""brand.toml and the policies of compliance.md."""

from __future__ import annotations

import functools
import tomllib
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tests.model import values

if TYPE_CHECKING:
    from pathlib import Path

CURRENCIES = {"CNY": 2, "USD": 2, "EUR": 2, "HKD": 2, "JPY": 0, "KRW": 0}
POLICIES = {"cn-strict": (2, 1, 300_000), "cn-two-tier": (2, 2, 300_000), "intl": (3, 3, 500_000)}
KEYS: dict[str, tuple[set[str], set[str]]] = {  # table: required, others
    "brand": ({"code", "name", "currency", "time_zone"}, {"locale"}),
    "compliance": ({"policy"}, {"legal_opinion", "expires_on", "max_depth", "max_levels", "max_total_rate"}),
    "settlement": (set(), {"hold_days", "min_payout", "withholding"}),
}


class StoppedError(Exception):
    """The import stops before anything is stored."""


@dataclass(frozen=True)
class Brand:
    code: str
    decimals: int
    zone: zoneinfo.ZoneInfo
    policy: str
    expires_on: date | None
    max_depth: int
    max_levels: int
    max_total_rate: int
    hold_days: int
    min_payout: int
    withholding: str


def text(table: dict[str, Any], key: str, default: str = "") -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise StoppedError(f"brand.toml: {key} is not a string")
    return value


def number(table: dict[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = table.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise StoppedError(f"brand.toml: {key} is not a whole number from {least} to {most}")
    return value


def tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StoppedError(f"brand.toml: {error}") from error
    for key, table in document.items():
        if key not in KEYS or not isinstance(table, dict):
            raise StoppedError(f"brand.toml: unknown {key}")
        required, others = KEYS[key]
        if set(table) - required - others:
            raise StoppedError(f"brand.toml: unknown key in [{key}]")
    for key, (required, _) in KEYS.items():
        if required - set(document.get(key, {})):
            raise StoppedError(f"brand.toml: a key is missing in [{key}]")
    return document


def opinion(compliance: dict[str, Any], policy: str) -> date | None:
    if policy != "cn-two-tier":
        return None
    expires_on = compliance.get("expires_on")
    if not text(compliance, "legal_opinion") or not isinstance(expires_on, date) or isinstance(expires_on, datetime):
        raise StoppedError("brand.toml: cn-two-tier needs a legal opinion and the date on which it expires")
    return expires_on


@functools.cache
def zones() -> set[str]:
    return zoneinfo.available_timezones()


def load(path: Path) -> Brand:
    document = tables(path)
    brand, compliance, settlement = (document.get(key, {}) for key in KEYS)
    currency, policy = text(brand, "currency"), text(compliance, "policy")
    if currency not in CURRENCIES or policy not in POLICIES:
        raise StoppedError("brand.toml: currency or policy")
    decimals, (depth, levels, rate) = CURRENCIES[currency], POLICIES[policy]
    if text(brand, "time_zone") not in zones():
        raise StoppedError("brand.toml: time_zone")
    withholding = text(settlement, "withholding", "none")
    if withholding not in {"none", "cn-labor", "cn-platform"} or (withholding != "none" and currency != "CNY"):
        raise StoppedError("brand.toml: withholding")
    try:
        max_total_rate = values.ppm(text(compliance, "max_total_rate")) if "max_total_rate" in compliance else rate
        min_payout = values.amount(text(settlement, "min_payout", "0"), decimals)
        code, _ = values.code(text(brand, "code")), values.name(text(brand, "name"))
    except values.InvalidError as error:
        raise StoppedError(f"brand.toml: {error}") from error
    if max_total_rate > rate:
        raise StoppedError("brand.toml: max_total_rate is looser than the policy's")
    return Brand(
        code=code,
        decimals=decimals,
        zone=zoneinfo.ZoneInfo(text(brand, "time_zone")),
        policy=policy,
        expires_on=opinion(compliance, policy),
        max_depth=number(compliance, "max_depth", depth, 1, depth),
        max_levels=number(compliance, "max_levels", levels, 1, levels),
        max_total_rate=max_total_rate,
        hold_days=number(settlement, "hold_days", 7, 0, 90),
        min_payout=min_payout,
        withholding=withholding,
    )
