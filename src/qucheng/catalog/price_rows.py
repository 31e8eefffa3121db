"""Prices of a draft as rows of a file: judged one by one, taken in all or none, and written."""

from __future__ import annotations

import collections
import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

from qucheng.catalog import price_cell, price_draft, price_errors, price_matrix
from qucheng.catalog.price_records import Filter, Imported, Judged, Key, RowOut
from qucheng.core import db, money, sheets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from qucheng.catalog.price_records import RowIn
    from qucheng.core import audit
    from qucheng.identity.brand import Brand

NOT_SOLD = "-"
BATCH = 2000
KNOWN = """
    SELECT array(SELECT code FROM sku WHERE code = ANY ($1::text[])) AS skus, array(SELECT code FROM channel WHERE code = ANY ($2::text[])) AS channels,
           array(SELECT code FROM tier WHERE code = ANY ($3::text[])) AS tiers"""
# whether a row says what is there already, and whether its key has prices at all
STANDING = """
    SELECT g.n, EXISTS (SELECT 1 FROM price_cell c WHERE c.version = $1 AND c.sku = g.sku AND coalesce(c.channel, '') = g.channel AND coalesce(c.tier, '') = g.tier) AS there,
           EXISTS (SELECT 1 FROM price_term c WHERE c.version = $1 AND c.sku = g.sku AND coalesce(c.channel, '') = g.channel AND coalesce(c.tier, '') = g.tier
                   AND c.price_minor IS NOT DISTINCT FROM g.price AND c.starts_on <= g.starts_on AND coalesce(c.ends_on, 'infinity') >= coalesce(g.ends_on, 'infinity')) AS same
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::date[], $8::date[]) g (n, sku, channel, tier, price, starts_on, ends_on)"""
EXPORT = f"""
    SELECT c.sku, s.name, c.channel, c.tier, c.price_minor, c.starts_on, c.ends_on FROM price_term c JOIN (SELECT s.code, s.name {price_matrix.CHOSEN}) s ON s.code = c.sku
    WHERE c.version = $1 AND ($12::text IS NULL OR (c.sku, coalesce(c.channel, ''), coalesce(c.tier, ''), c.starts_on) > ($12, $13, $14, $15::date))
    ORDER BY c.sku, coalesce(c.channel, ''), coalesce(c.tier, ''), c.starts_on LIMIT $16"""


async def check_rows(*, brand: Brand, version: int, rows: Sequence[RowIn]) -> list[Judged]:
    """What would become of each row, in their order; nothing is written. Raises PriceVersionUnknownError, PriceStateError."""
    async with db.atomic(brand.id):
        await price_draft.hold(brand.id, version)
        known = await db.connection().fetchrow(
            KNOWN, [row.sku.strip() for row in rows], [row.channel.strip() for row in rows], [row.tier.strip() for row in rows]
        )
        judged = [_judged(row, brand, {name: set(known[name]) for name in ("skus", "channels", "tiers")}) for row in rows]
        return await _against(version, _without_overlaps(judged))


async def import_rows(*, brand: Brand, version: int, rows: Sequence[RowIn], actor: audit.Actor, now: dt.datetime) -> Imported:
    """Lays all rows over the draft: each replaces its dates of its key; keys that are not named stay.

    Raises PriceRowsError where one of them is refused, and then nothing is changed; PriceVersionUnknownError, PriceStateError.
    """
    async with db.atomic(brand.id):
        judged = await check_rows(brand=brand, version=version, rows=rows)
        refused = [each for each in judged if each.verdict == "refused"]
        if refused:
            raise price_errors.PriceRowsError(refused)
        changing = [each for each in judged if each.verdict in ("new", "changed")]
        await price_draft.lay(
            brand_id=brand.id,
            version=version,
            changes=[_staged(each) for each in changing],
            limits=False,
            script=price_cell.SCRIPT,
            day=now.date(),
            actor=actor,
            now=now,
        )
    return Imported(changed=len(changing), same=len(judged) - len(changing))


async def export_rows(
    *, brand: Brand, version: int, chosen: Filter | None = None, now: dt.datetime | None = None
) -> AsyncIterator[RowOut]:
    """By SKU, channel, tier and date, some at a time. now: for a choice by what is below the floor or changes later."""
    given = chosen or Filter()
    day = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date() if now else None
    after: tuple[Any, ...] = (None, None, None, None)
    while True:
        async with db.atomic(brand.id):
            base = await db.connection().fetchval("SELECT based_on FROM price_version WHERE number = $1", version)
            rows = await db.connection().fetch(
                EXPORT,
                *(version, base, day, given.text, given.category, given.tag, None if given.skus is None else list(given.skus)),
                *(given.changed, given.under_floor and day is not None, given.scheduled and day is not None, now),
                *after,
                BATCH,
            )
        for row in rows:
            yield RowOut(**dict(row))
        if len(rows) < BATCH:
            return
        last = rows[-1]
        after = (last["sku"], last["channel"] or "", last["tier"] or "", last["starts_on"])


def _judged(row: RowIn, brand: Brand, known: dict[str, set[str]]) -> Judged:
    sku, channel, tier, price = row.sku.strip(), row.channel.strip(), row.tier.strip(), row.price.strip()
    starts_on, ends_on = _day(row.starts_on), _day(row.ends_on)
    amount = _amount(price, brand.decimals)
    faults = (
        (not sku, "value.missing", "sku"),
        (not price, "value.missing", "price"),
        (not row.starts_on.strip(), "value.missing", "starts_on"),
        (starts_on is None, "value.invalid", "starts_on"),
        (ends_on is None and bool(row.ends_on.strip()), "value.invalid", "ends_on"),
        (amount is None and price != NOT_SOLD, "value.invalid", "price"),
        (sku not in known["skus"], "price.sku_unknown", "sku"),
        (bool(channel) and channel not in known["channels"], "price.channel_unknown", "channel"),
        (bool(tier) and tier not in known["tiers"], "price.tier_unknown", "tier"),
        (starts_on is not None and ends_on is not None and ends_on <= starts_on, "price.dates", "ends_on"),
        (price == NOT_SOLD and (not channel or bool(tier)), "price.close", "price"),
    )
    fault = next(((code, column) for stands, code, column in faults if stands), None)
    return Judged(
        row=row.row,
        verdict="refused" if fault else "changed",
        code=fault[0] if fault else None,
        column=fault[1] if fault else None,
        sku=sku,
        channel=channel or None,
        tier=tier or None,
        price_minor=amount,
        starts_on=starts_on,
        ends_on=ends_on,
    )


def _day(text: str) -> dt.date | None:
    try:
        return sheets.day(text.strip())
    except ValueError:
        return None


def _amount(text: str, decimals: int) -> int | None:
    if text == NOT_SOLD:
        return None
    try:
        amount = money.parse_typed(text, decimals)
    except ValueError:
        return None
    return amount if amount >= 0 else None


def _without_overlaps(judged: list[Judged]) -> list[Judged]:
    """Of rows of one key that overlap the later in the file is refused."""
    taken: dict[Key, list[tuple[dt.date, dt.date]]] = collections.defaultdict(list)
    out = []
    for each in judged:
        if each.starts_on is not None and each.verdict != "refused":
            spans = taken[Key(each.sku, each.channel, each.tier)]
            span = (each.starts_on, each.ends_on or dt.date.max)
            if any(span[0] < other[1] and other[0] < span[1] for other in spans):
                out.append(_with(each, "refused", "price.overlaps", "starts_on"))
                continue
            spans.append(span)
        out.append(each)
    return out


async def _against(version: int, judged: list[Judged]) -> list[Judged]:
    """New: the key has no price yet. Same: it says what is there."""
    fit = [(place, each) for place, each in enumerate(judged) if each.verdict != "refused"]
    rows = await db.connection().fetch(
        STANDING,
        version,
        [place for place, _ in fit],
        [each.sku for _, each in fit],
        [each.channel or "" for _, each in fit],
        [each.tier or "" for _, each in fit],
        [each.price_minor for _, each in fit],
        [each.starts_on for _, each in fit],
        [each.ends_on for _, each in fit],
    )
    out = list(judged)
    for row in rows:
        if row["same"] or not row["there"]:
            out[row["n"]] = _with(judged[row["n"]], "same" if row["same"] else "new", None, None)
    return out


def _with(each: Judged, verdict: Any, code: str | None, column: str | None) -> Judged:  # noqa: ANN401 - one of the verdicts
    return Judged(
        row=each.row,
        verdict=verdict,
        code=code,
        column=column,
        sku=each.sku,
        channel=each.channel,
        tier=each.tier,
        price_minor=each.price_minor,
        starts_on=each.starts_on,
        ends_on=each.ends_on,
    )


def _staged(each: Judged) -> dict[str, Any]:
    return {
        "sku": each.sku,
        "channel": each.channel,
        "tier": each.tier,
        "action": "close" if each.price_minor is None else "set",
        "price_minor": each.price_minor,
        "starts_on": each.starts_on,
        "ends_on": each.ends_on,
        "laid": True,
    }
