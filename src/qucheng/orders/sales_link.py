"""A reseller's way to its buyers: an address behind a link or a QR code, for one channel and one article or all of them."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.catalog import quote
from qucheng.core import audit, db, errors, ids
from qucheng.orders import order_number

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

LENGTH = 16
LONGEST_NAME = 60
MOST = 200
RECENT = dt.timedelta(days=30)
CODE = re.compile(r"[0-9a-hjkmnp-tv-z]{16}", re.ASCII)
COLUMNS = "l.id, l.code, l.name, l.reseller, l.channel, l.sku, l.active, l.created_at, l.expires_at"
LISTING = f"""
    SELECT {COLUMNS}, c.name AS channel_name, s.name AS sku_name, coalesce(d.views, 0) AS views, coalesce(d.orders, 0) AS orders
    FROM sales_link l JOIN channel c ON c.brand_id = l.brand_id AND c.code = l.channel
    LEFT JOIN sku s ON s.brand_id = l.brand_id AND s.code = l.sku
    LEFT JOIN LATERAL (SELECT sum(views)::bigint AS views, sum(orders)::bigint AS orders FROM sales_link_day d
        WHERE d.brand_id = l.brand_id AND d.link = l.id AND d.day > $1) d ON true
    WHERE l.brand_id = current_brand() AND ($2::uuid IS NULL OR l.id = $2) ORDER BY l.active DESC, l.created_at DESC, l.id LIMIT {MOST}"""


class LinkUnknownError(errors.RefusedError):
    code: ClassVar[str] = "sales_link.unknown"
    status: ClassVar[int] = 404


class LinkInvalidError(errors.RefusedError):
    """faults: by field."""

    code: ClassVar[str] = "sales_link.invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("The link is not right: " + ", ".join(sorted(faults.values())))
        self.faults = faults


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """sku None: all that the reseller may sell in the channel."""

    id: uuid.UUID
    code: str
    name: str
    reseller: str
    channel: str
    sku: str | None
    active: bool
    created_at: dt.datetime
    expires_at: dt.datetime | None

    def open(self, now: dt.datetime) -> bool:
        return self.active and (self.expires_at is None or now < self.expires_at)


class Shown(Link, frozen=True, kw_only=True):
    """With how often it was opened and bought from in the last 30 days."""

    channel_name: str
    sku_name: str | None
    views: int
    orders: int


async def create(
    *,
    brand: Brand,
    reseller: str,
    channel: str,
    sku: str | None,
    name: str,
    expires_at: dt.datetime | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> Link:
    """With the reseller's own rights. Raises LinkInvalidError for what the reseller may not sell there, and for a wholesale channel: in one
    the reseller is the buyer, and the price is for nobody else.
    """
    faults = {}
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        faults["name"] = "sales_link.name"
    if expires_at is not None and expires_at <= now:
        faults["expires_on"] = "sales_link.expires"
    offers = (
        await quote.listing(brand_id=brand.id, reseller=reseller, at=now, skus=[sku] if sku else None, most=quote_most(sku))
    ).rows
    if channel not in {each.channel for each in offers if each.channel_kind == "agency"}:
        faults["sku" if sku else "channel"] = "sales_link.not_for_sale"
    if faults:
        raise LinkInvalidError(faults)
    made = Link(
        id=ids.new_id(),
        code=order_number.by_chance(LENGTH).lower(),
        name=name,
        reseller=reseller,
        channel=channel,
        sku=sku,
        active=True,
        created_at=now,
        expires_at=expires_at,
    )
    async with db.atomic(brand.id, reseller=reseller):
        await db.connection().execute(
            "INSERT INTO sales_link (brand_id, id, code, name, reseller, channel, sku, created_at, created_by, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            brand.id, made.id, made.code, name, reseller, channel, sku, now, actor.user_id, expires_at,
        )  # fmt: skip
        after = {"name": name, "reseller": reseller, "channel": channel, "sku": sku}
        await audit.record(brand_id=brand.id, actor=actor, action="sales_link.create", subject=str(made.id), after=after)
    return made


def quote_most(sku: str | None) -> int:
    """How many articles are looked through for the channel of a link."""
    return 1 if sku else MOST


async def listing(*, brand: Brand, reseller: str, now: dt.datetime, link: uuid.UUID | None = None) -> list[Shown]:
    """With the reseller's own rights: those that are open first."""
    since = order_number.local_day(brand, now - RECENT)
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(LISTING, since, link)
    return [Shown(**dict(row)) for row in rows]


async def one(*, brand: Brand, reseller: str, link: uuid.UUID, now: dt.datetime) -> Shown:
    found = await listing(brand=brand, reseller=reseller, now=now, link=link)
    if not found:
        raise LinkUnknownError("There is no such link.")
    return found[0]


async def change(
    *, brand: Brand, reseller: str, link: uuid.UUID, name: str | None, active: bool | None, actor: audit.Actor, now: dt.datetime
) -> None:
    """What is None stays. A link that is paused sells nothing; its code stays its own."""
    if name is not None and (not 0 < len(name) <= LONGEST_NAME or not name.isprintable()):
        raise LinkInvalidError({"name": "sales_link.name"})
    async with db.atomic(brand.id, reseller=reseller):
        before = await one(brand=brand, reseller=reseller, link=link, now=now)
        after = {"name": name if name is not None else before.name, "active": before.active if active is None else active}
        await db.connection().execute(
            "UPDATE sales_link SET name = $2, active = $3 WHERE id = $1", link, after["name"], after["active"]
        )
        was = {"name": before.name, "active": before.active}
        await audit.record(brand_id=brand.id, actor=actor, action="sales_link.change", subject=str(link), before=was, after=after)


async def named(code: str) -> tuple[uuid.UUID, Link]:
    """The brand and the link behind an address; LinkUnknownError for any other."""
    if CODE.fullmatch(code) is not None:
        async with db.atomic():
            place = await db.connection().fetchrow("SELECT brand_id, id FROM sales_link_named($1)", code)
        if place is not None:
            async with db.atomic(place["brand_id"]):
                row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM sales_link l WHERE l.id = $1", place["id"])
            return place["brand_id"], Link(**dict(row))
    raise LinkUnknownError("There is no such link.")


async def opened(*, brand: Brand, link: uuid.UUID, now: dt.datetime) -> None:
    """Its page was looked at."""
    async with db.atomic(brand.id):
        await _count(brand, link, now, "views")


async def bought(*, brand: Brand, link: uuid.UUID, now: dt.datetime) -> None:
    """Inside the transaction of the order."""
    await _count(brand, link, now, "orders")


async def _count(brand: Brand, link: uuid.UUID, now: dt.datetime, column: str) -> None:
    await db.connection().execute(
        f"INSERT INTO sales_link_day (brand_id, link, day, {column}) VALUES ($1, $2, $3, 1)"
        f" ON CONFLICT (brand_id, link, day) DO UPDATE SET {column} = sales_link_day.{column} + 1",
        brand.id,
        link,
        order_number.local_day(brand, now),
    )
