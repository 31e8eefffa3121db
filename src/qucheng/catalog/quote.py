"""Quotes: what one unit costs the consumer where, when and with whom, and what is known to come."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.catalog import price_errors, price_outlook
from qucheng.catalog.price_records import Level
from qucheng.core import db

if TYPE_CHECKING:
    import uuid

    import asyncpg

    from qucheng.core.errors import RefusedError

RESOLVE = price_outlook.statement(
    asked="SELECT 1 AS place, $1::text AS sku, $2::text AS channel, tier_on($3::text, p.day) AS tier FROM place_of p",
    at="$4::timestamptz",
    select="""
        SELECT o.*, p.currency, p.decimals, a.tier, s.code AS known_sku, c.code AS known_channel, r.code AS known_reseller, may_sell($3::text, $2::text, o.day) AS open, s.on_sale
        FROM outlook o CROSS JOIN asked a CROSS JOIN place_of p LEFT JOIN sku s ON s.brand_id = current_brand() AND s.code = $1
        LEFT JOIN channel c ON c.brand_id = current_brand() AND c.code = $2 LEFT JOIN reseller r ON r.brand_id = current_brand() AND r.code = $3""",
)
# what a reseller may sell that day; text: a part of the code or the name
LISTING = price_outlook.statement(
    asked="""
        SELECT row_number() OVER () AS place, s.code AS sku, s.name, s.category, c.code AS channel, c.name AS channel_name, c.kind AS channel_kind,
               c.tier
        FROM sku s CROSS JOIN (
            SELECT c.code, c.name, c.kind, h.tier FROM (SELECT p.day, tier_on($1::text, p.day) AS tier FROM place_of p OFFSET 0) h CROSS JOIN channel c
            WHERE c.brand_id = current_brand() AND may_sell($1::text, c.code, h.day) OFFSET 0) c
        WHERE s.brand_id = current_brand() AND s.on_sale
          AND ($3::text IS NULL OR strpos(lower(s.code), lower($3)) > 0 OR strpos(lower(s.name), lower($3)) > 0)
          AND ($4::text[] IS NULL OR s.code = ANY ($4))""",
    at="$2::timestamptz",
    select="""
        , offered AS (
            SELECT a.sku, a.name, a.category, a.channel, a.channel_name, a.channel_kind, o.price_minor AS unit_minor, o.level, o.version, o.starts_on, o.ends_on,
                   o.next_minor, o.next_on, dense_rank() OVER (ORDER BY a.sku) AS number
            FROM outlook o JOIN asked a USING (place) WHERE o.price_minor IS NOT NULL AND a.tier IS NOT NULL)
        SELECT o.*, (SELECT max(number) FROM offered) AS total FROM offered o WHERE number > $5 AND number <= $5::bigint + $6::bigint
        ORDER BY sku, channel""",
)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """day: the local date of `at`. starts_on, ends_on: of the cell. next_on None: no other price is known to come; next_minor
    None on a day: it is not for sale from then on.
    """

    sku: str
    channel: str
    reseller: str
    tier: str
    quantity: int
    at: dt.datetime
    day: dt.date
    unit_minor: int
    gross_minor: int
    version: int
    level: Level
    starts_on: dt.date
    ends_on: dt.date | None
    next_minor: int | None
    next_on: dt.date | None
    next_at: dt.datetime | None
    currency: str
    decimals: int


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU in a channel at its price of the day."""

    sku: str
    name: str
    category: str
    channel: str
    channel_name: str
    channel_kind: str
    unit_minor: int
    level: Level
    version: int
    starts_on: dt.date
    ends_on: dt.date | None
    next_minor: int | None
    next_on: dt.date | None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """total: SKUs in all."""

    rows: list[Offer]
    total: int


async def resolve(
    *,
    brand_id: uuid.UUID,
    sku: str,
    channel: str,
    reseller: str,
    quantity: int,
    at: dt.datetime,
    as_reseller: bool = False,
) -> Quote:
    """as_reseller: read with the reseller's own rights. The tier is that of the local date of `at`, for what is to come as well.

    Raises QuoteSkuUnknownError, QuoteChannelUnknownError, QuoteResellerUnknownError, QuoteNotJoinedError,
    QuoteChannelClosedError, QuoteNotOnSaleError, QuoteNotForSaleError.
    """
    async with db.atomic(brand_id, reseller=reseller if as_reseller else None):
        row = await db.connection().fetchrow(RESOLVE, sku, channel, reseller, at)
    refusal = _refusal(row)
    if refusal is not None:
        raise refusal
    return Quote(
        sku=sku,
        channel=channel,
        reseller=reseller,
        quantity=quantity,
        at=at,
        unit_minor=row["price_minor"],
        gross_minor=row["price_minor"] * quantity,
        **{
            name: row[name]
            for name in (
                "tier",
                "day",
                "version",
                "level",
                "starts_on",
                "ends_on",
                "next_minor",
                "next_on",
                "next_at",
                "currency",
                "decimals",
            )
        },
    )


def _refusal(row: asyncpg.Record) -> RefusedError | None:
    """The first thing that stands against it."""
    against: tuple[tuple[bool, type[RefusedError], str], ...] = (
        (row["known_sku"] is None, price_errors.QuoteSkuUnknownError, "There is no such SKU."),
        (row["known_channel"] is None, price_errors.QuoteChannelUnknownError, "There is no such channel."),
        (row["known_reseller"] is None, price_errors.QuoteResellerUnknownError, "There is no such reseller."),
        (row["tier"] is None, price_errors.QuoteNotJoinedError, "The reseller had not joined by that day."),
        (not row["open"], price_errors.QuoteChannelClosedError, "The reseller may not sell in this channel on that day."),
        (not row["on_sale"], price_errors.QuoteNotOnSaleError, "The SKU is off sale."),
        (row["price_minor"] is None, price_errors.QuoteNotForSaleError, "The SKU has no price in this channel on that day."),
    )
    return next((refusal(text) for stands, refusal, text in against if stands), None)


async def listing(
    *,
    brand_id: uuid.UUID,
    reseller: str,
    at: dt.datetime,
    text: str | None = None,
    skus: list[str] | None = None,
    skip: int = 0,
    most: int = 50,
) -> Listing:
    """What the reseller may sell and at what price, read with its own rights; by SKU and channel. skip and most count SKUs."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(LISTING, reseller, at, text, skus, skip, most)
    names = Offer.__struct_fields__
    return Listing(rows=[Offer(**{name: row[name] for name in names}) for row in rows], total=rows[0]["total"] if rows else 0)
