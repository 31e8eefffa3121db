"""brand.toml: who the brand is, which policy it stands under, how it settles. Anything wrong in it stops the import."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
import tomllib
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from babel import numbers

from qucheng.core import errors, ids, money
from qucheng.identity import brand

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES = Path(__file__).parents[1] / "network" / "policies.toml"
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
KEYS = {
    "brand": ("code", "name", "currency", "time_zone", "locale"),
    "compliance": ("policy", "legal_opinion", "expires_on", "max_depth", "max_levels", "max_total_rate"),
    "settlement": ("hold_days", "min_payout", "withholding"),
}
LOCALES = ("zh-CN", "en")
WITHHOLDINGS = ("none", "cn-labor", "cn-platform")
MOST_DECIMALS = 2
RATE_DECIMALS = 6
MOST_HOLD_DAYS = 90
LONGEST_NAME = 80


Value = str | int | dt.date


class BrandRefusedError(errors.RefusedError):
    """brand.toml is wrong, or its policy refuses what it asks for. key: which one, `brand.code`; None for the file as a whole."""

    code: ClassVar[str] = "brand.refused"
    status: ClassVar[int] = 422

    def __init__(self, text: str, key: str | None = None) -> None:
        super().__init__(text)
        self.key = key


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    valid_from: dt.date
    max_depth: int
    max_levels: int
    max_total_rate_ppm: int
    needs_opinion: bool
    approved_by: str
    source: str


Table = dict[str, Any]


class _Checked:
    """Collects what is wrong, so that all of it can be said at once."""

    def __init__(self) -> None:
        self.faults: list[BrandRefusedError] = []

    def __call__(self, check: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - what the check gives, or None
        try:
            return check(*arguments)
        except BrandRefusedError as fault:
            self.faults.append(fault)
            return None


def read(path: Path) -> brand.Brand:
    """Raises BrandRefusedError naming the key and what it may be."""
    found, faults = check(_parse(path))
    if found is None:
        raise faults[0]
    return found


def check(tables: dict[str, Table]) -> tuple[brand.Brand | None, list[BrandRefusedError]]:
    """The brand that the tables of a brand.toml describe; or everything that is wrong with them."""
    names, compliance, settlement = tables["brand"], tables["compliance"], tables["settlement"]
    checked = _Checked()
    code = checked(_code, names)
    currency, decimals = checked(_currency, names) or (None, MOST_DECIMALS)
    withholding = checked(_withholding, settlement, currency)
    limits = _limits(compliance, checked)
    values = {
        "code": code,
        "name": checked(_required, names, "brand.name"),
        "currency": currency,
        "decimals": decimals,
        "time_zone": checked(_zone, names),
        "locale": checked(_one_of, names, "brand.locale", LOCALES, "zh-CN"),
        "hold_days": checked(_whole, settlement, "settlement.hold_days", 0, MOST_HOLD_DAYS, 7),
        "min_payout_minor": checked(_decimal, settlement, "settlement.min_payout", decimals, "0"),
        "withholding": withholding,
        **limits,
    }
    return (None if checked.faults else brand.Brand(id=ids.new_id(), **values)), checked.faults


def policies() -> dict[str, Policy]:
    """The compliance presets, by name."""
    return msgspec.convert(tomllib.loads(POLICIES.read_text(encoding="utf-8")), dict[str, Policy])


def settings(of: brand.Brand) -> dict[str, dict[str, Value]]:
    """The tables of a brand.toml that reads as this brand, with every key that has a value."""
    rate = money.format_plain(of.max_total_rate_ppm, RATE_DECIMALS).rstrip("0").rstrip(".")
    found: dict[str, Value | None] = {
        **{key: getattr(of, key) for keys in KEYS.values() for key in keys if key not in ("max_total_rate", "min_payout")},
        "max_total_rate": rate,
        "min_payout": money.format_plain(of.min_payout_minor, of.decimals),
    }
    return {table: {key: value for key in keys if (value := found[key]) is not None} for table, keys in KEYS.items()}


def _parse(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise BrandRefusedError("brand.toml is not there: a bundle needs it.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise BrandRefusedError(f"brand.toml cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BrandRefusedError(f"brand.toml is not TOML: {error}") from None
    for table, keys in found.items():
        if table not in KEYS or not isinstance(keys, dict):
            raise BrandRefusedError(f"brand.toml: {table!r} is not known; its tables are {', '.join(KEYS)}")
        for key in keys:
            if key not in KEYS[table]:
                raise BrandRefusedError(f"brand.toml: {table}.{key} is not known; [{table}] has {', '.join(KEYS[table])}")
    return {table: found.get(table, {}) for table in KEYS}


def _limits(compliance: Table, checked: _Checked) -> dict[str, Any]:
    name = checked(_policy, compliance)
    policy = policies().get(name)
    if policy is None:  # what it would allow is not known either
        return {}
    rate = checked(_rate, compliance, name, policy)
    return {
        "policy": name,
        "legal_opinion": checked(_opinion, compliance, name, policy),
        "expires_on": checked(_expiry, compliance, name, policy),
        "max_depth": checked(_whole, compliance, "compliance.max_depth", 1, policy.max_depth, policy.max_depth),
        "max_levels": checked(_whole, compliance, "compliance.max_levels", 1, policy.max_levels, policy.max_levels),
        "max_total_rate_ppm": policy.max_total_rate_ppm if rate is None else rate,
    }


def _code(names: Table) -> str:
    code: str = _required(names, "brand.code")
    if not CODE.fullmatch(code):
        raise BrandRefusedError("brand.toml: brand.code is 1 to 40 characters of A-Z a-z 0-9 . _ -", "brand.code")
    return code


def _withholding(settlement: Table, currency: str | None) -> str:
    found: str = _one_of(settlement, "settlement.withholding", WITHHOLDINGS, "none")
    if found != "none" and currency not in (None, "CNY"):
        raise BrandRefusedError(
            f"brand.toml: settlement.withholding {found} is Chinese tax and needs brand.currency CNY", "settlement.withholding"
        )
    return found


def _policy(compliance: Table) -> str:
    known = tuple(policies())
    if "policy" not in compliance:
        raise BrandRefusedError(f"brand.toml: compliance.policy is missing: one of {', '.join(known)}", "compliance.policy")
    found: str = _one_of(compliance, "compliance.policy", known, "")
    return found


def _rate(compliance: Table, name: str, policy: Policy) -> int | None:
    rate: int | None = _decimal(compliance, "compliance.max_total_rate", RATE_DECIMALS, None)
    if rate is not None and rate > policy.max_total_rate_ppm:
        raise BrandRefusedError(
            f"brand.toml: compliance.max_total_rate may only tighten {name}'s {policy.max_total_rate_ppm} ppm of the net",
            "compliance.max_total_rate",
        )
    return rate


def _opinion(compliance: Table, name: str, policy: Policy) -> str | None:
    found: str | None = _text(compliance, "compliance.legal_opinion")
    if policy.needs_opinion and found is None:
        raise BrandRefusedError(
            f"brand.toml: compliance.policy {name} needs compliance.legal_opinion", "compliance.legal_opinion"
        )
    return found


def _expiry(compliance: Table, name: str, policy: Policy) -> dt.date | None:
    found = _date(compliance)
    if policy.needs_opinion and found is None:
        raise BrandRefusedError(f"brand.toml: compliance.policy {name} needs compliance.expires_on", "compliance.expires_on")
    return found


def _text(table: Table, key: str) -> str | None:
    value = table.get(key.partition(".")[2], "")
    if not isinstance(value, str) or len(value) > LONGEST_NAME or any(ch < " " or ch == "\x7f" for ch in value):
        raise BrandRefusedError(f"brand.toml: {key} is text of at most {LONGEST_NAME} characters", key)
    return value or None


def _required(table: Table, key: str) -> str:
    found = _text(table, key)
    if found is None:
        raise BrandRefusedError(f"brand.toml: {key} is missing", key)
    return found


def _one_of(table: Table, key: str, known: tuple[str, ...], default: str) -> Any:  # noqa: ANN401 - one of the literals known
    value = table.get(key.partition(".")[2], default)
    if value not in known:
        raise BrandRefusedError(f"brand.toml: {key} is one of {', '.join(known)}", key)
    return value


def _whole(table: Table, key: str, least: int, most: int, default: int) -> int:
    value = table.get(key.partition(".")[2], default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BrandRefusedError(f"brand.toml: {key} is a whole number from {least} to {most}", key)
    return value


def _decimal(table: Table, key: str, decimals: int, default: str | None) -> Any:  # noqa: ANN401 - int, or None with default None
    """A decimal string as a count of its smallest units."""
    value = table.get(key.partition(".")[2], default)
    if value is None:
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return money.parse_plain(value, decimals)
    raise BrandRefusedError(f'brand.toml: {key} is a string such as "0.25", with at most {decimals} decimals', key)


def _currency(names: Table) -> tuple[str, int]:
    currency = _required(names, "brand.currency")
    if currency not in numbers.list_currencies():
        raise BrandRefusedError("brand.toml: brand.currency is an ISO 4217 code such as CNY", "brand.currency")
    decimals = numbers.get_currency_precision(currency)
    if decimals > MOST_DECIMALS:
        raise BrandRefusedError(
            f"brand.toml: brand.currency {currency} has {decimals} decimals; at most {MOST_DECIMALS} are supported",
            "brand.currency",
        )
    return currency, decimals


def _zone(names: Table) -> str:
    name = _required(names, "brand.time_zone")
    if name not in _zones():
        raise BrandRefusedError("brand.toml: brand.time_zone is an IANA name such as Asia/Shanghai", "brand.time_zone")
    return name


@functools.cache
def _zones() -> set[str]:
    """All that there are; to list them, hundreds of files are opened. What a machine calls its own is none."""
    return zoneinfo.available_timezones() - {"localtime"}


def _date(compliance: Table) -> dt.date | None:
    value = compliance.get("expires_on")
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = dt.date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else value
    if value is not None and (not isinstance(value, dt.date) or isinstance(value, dt.datetime)):
        raise BrandRefusedError("brand.toml: compliance.expires_on is a date such as 2027-01-31", "compliance.expires_on")
    return value
