"""Floor and cost of a product, by date: as the price book has them, and what goes into its draft."""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from qucheng.catalog import price_draft, price_errors, price_limit, price_records, price_version
from qucheng.core import audit, clock, money
from qucheng.identity.brand import Brand
from qucheng.web.texts import n_

DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
FAULTS = {
    "amount.invalid": n_("Write an amount such as 25.00 or 1,200."),
    "limits.nothing": n_("Write a floor, a cost or both."),
    "day.invalid": n_("Write a day such as 2027-06-30."),
    "day.order": n_("The last day is not before the first."),
    "limits.stale": n_(
        "Somebody else changed floor and cost in the draft meanwhile. They are shown as they are now; nothing was done."
    ),
    "limits.dates": n_("The price book does not take these days or amounts."),
    "draft.submitted": n_("The draft of the price book is submitted: it can be changed when it was decided or taken back."),
}


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands in the form. until: the last day, blank for no end."""

    floor: str
    cost: str
    starts_on: str
    until: str
    seen: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """live: of the version in force. draft: of the draft, None where there is none; revision: as it stands there."""

    live: tuple[price_records.Limit, ...]
    draft: tuple[price_records.Limit, ...] | None
    submitted: bool
    revision: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    floor_minor: int | None
    cost_minor: int | None
    starts_on: dt.date
    ends_on: dt.date | None
    seen: int


def blank(day: dt.date, shown: Shown) -> Typed:
    return Typed(floor="", cost="", starts_on=str(day), until="", seen=shown.revision)


def typed(sent: dict[str, str]) -> Typed:
    seen = sent.get("seen", "")
    named = {name: sent.get(name, "").strip() for name in ("floor", "cost", "starts_on", "until")}
    return Typed(**named, seen=int(seen) if DIGITS.fullmatch(seen) else 0)


def read(given: Typed, decimals: int) -> Wanted | list[tuple[str | None, str]]:
    """What was typed, or field and code of what is wrong with it."""
    faults: list[tuple[str | None, str]] = []
    amounts: dict[str, int | None] = {}
    for name in ("floor", "cost"):
        try:
            text = getattr(given, name)
            amounts[name] = money.parse_typed(text, decimals) if text else None
        except ValueError:
            faults.append((name, "amount.invalid"))
    if any((minor or 0) < 0 for minor in amounts.values()):
        faults += [(name, "amount.invalid") for name, minor in amounts.items() if (minor or 0) < 0]
    if not given.floor and not given.cost:
        faults.append(("floor", "limits.nothing"))
    days = {name: _day(getattr(given, name)) for name in ("starts_on", "until")}
    starts_on, until = days["starts_on"], days["until"]
    faults += [
        (name, "day.invalid") for name, day in days.items() if day is None and (getattr(given, name) or name == "starts_on")
    ]
    if starts_on is not None and until is not None and until < starts_on:
        faults.append(("until", "day.order"))
    if faults or starts_on is None:
        return faults
    return Wanted(
        floor_minor=amounts["floor"],
        cost_minor=amounts["cost"],
        starts_on=starts_on,
        ends_on=until + dt.timedelta(days=1) if until is not None else None,
        seen=given.seen,
    )


def _day(text: str) -> dt.date | None:
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 <= found.year < 2200 else None  # noqa: PLR2004 - as everywhere


async def shown(*, brand: Brand, sku: str, now: dt.datetime) -> Shown:
    current = await price_version.current(brand_id=brand.id, now=now)
    live = await _pieces(brand, current.live, sku)
    draft = await _pieces(brand, current.draft.number if current.draft is not None else None, sku)
    return Shown(
        live=live[0],
        draft=draft[0] if current.draft is not None else None,
        submitted=current.draft is not None and current.draft.state == "submitted",
        revision=draft[1],
    )


async def _pieces(brand: Brand, version: int | None, sku: str) -> tuple[tuple[price_records.Limit, ...], int]:
    if version is None:
        return (), 0
    found = await price_draft.stand(brand_id=brand.id, version=version, key=price_records.Key(sku), limits=True)
    return tuple(piece for piece in found.pieces if isinstance(piece, price_records.Limit)), found.revision


async def write(*, brand: Brand, sku: str, change: Wanted, day: dt.date, actor: audit.Actor) -> list[tuple[str | None, str]]:
    """Field and code of what kept it from the draft; nothing where it is there."""
    now = clock.now()
    current = await price_version.current(brand_id=brand.id, now=now)
    if current.draft is not None and current.draft.state == "submitted":
        return [(None, "draft.submitted")]
    try:
        number = (
            current.draft.number
            if current.draft is not None
            else await price_version.open_draft(brand_id=brand.id, actor=actor, now=now)
        )
        saved = await price_limit.set_limits(
            brand_id=brand.id,
            version=number,
            changes=[
                price_records.LimitChange(
                    sku=sku,
                    floor_minor=msgspec.UNSET if change.floor_minor is None else change.floor_minor,
                    cost_minor=msgspec.UNSET if change.cost_minor is None else change.cost_minor,
                    starts_on=change.starts_on,
                    ends_on=change.ends_on,
                    seen=change.seen,
                )
            ],
            day=day,
            actor=actor,
            now=now,
        )
    except (price_errors.PriceStateError, price_errors.PriceDraftExistsError):
        return [(None, "limits.stale")]
    return [(None, "limits.stale")] if saved.stale else [(None, "limits.dates")] if saved.faults else []
