"""A buyer's way to what was bought: a link that is chance itself, sent once, of which a hash is kept. One is good for an order."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, crypto, db, errors, ids, letter
from qucheng.stock import text_message

if TYPE_CHECKING:
    from qucheng.stock.text_message import Locale

PATH = "/c/"
GOOD_FOR = dt.timedelta(days=400)


class LinkUnknownError(errors.RefusedError):
    """There is none, or it has ended; which of them is not said."""

    code: ClassVar[str] = "delivery_link.unknown"
    status: ClassVar[int] = 404


class Link(msgspec.Struct, frozen=True, kw_only=True):
    brand_id: uuid.UUID
    id: uuid.UUID
    order_no: str


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """A card as its buyer sees it before it is shown. card: its id as text."""

    batch: int
    number: int
    sku: str
    name: str
    line_no: str
    state: str
    expires_on: dt.date | None
    revealed_at: dt.datetime | None


async def make(
    *,
    brand_id: uuid.UUID,
    keys: crypto.Keys,
    order_no: str,
    phone: str | None,
    email: str | None = None,
    sender: str = "",
    locale: Locale = "zh-CN",
    actor: audit.Actor,
    now: dt.datetime,
) -> str:
    """Inside the transaction that delivers the order; returns the address, which is nowhere else. One before it ends.

    phone, email: who gets it as a text message, and as a letter. sender: the brand's name.
    """
    token, link_id, connection = crypto.token(), ids.new_id(), db.connection()
    await connection.execute(
        "UPDATE delivery_link SET ended_at = $2 WHERE brand_id = $3 AND order_no = $1 AND ended_at IS NULL",
        order_no,
        now,
        brand_id,
    )
    await connection.execute(
        "INSERT INTO delivery_link (brand_id, id, order_no, token_hash, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        brand_id,
        link_id,
        order_no,
        crypto.token_hash(token),
        now,
        now + GOOD_FOR,
    )
    after = {"order": order_no, "sent": phone is not None or email is not None}
    await audit.record(brand_id=brand_id, actor=actor, action="delivery_link.make", subject=str(link_id), after=after)
    values = {"order": order_no, "path": f"{PATH}{token}"}
    if phone is not None:
        await text_message.write(keys=keys, brand_id=brand_id, kind="delivery", locale=locale, to=phone, values=values, now=now)
    if email is not None:
        await letter.write(keys=keys, kind="delivery", locale=locale, to=email, values={**values, "brand": sender}, now=now)
    return f"{PATH}{token}"


async def find(*, token: str, now: dt.datetime) -> Link:
    """Raises LinkUnknownError."""
    async with db.atomic():
        known = await db.connection().fetchrow("SELECT * FROM delivery_link_of($1)", crypto.token_hash(token))
    if known is not None:
        async with db.atomic(known["brand_id"]):
            row = await db.connection().fetchrow(
                "SELECT brand_id, id, order_no FROM delivery_link WHERE id = $1 AND ended_at IS NULL AND expires_at > $2",
                known["id"],
                now,
            )
        if row is not None:
            return Link(**dict(row))
    raise LinkUnknownError("There is nothing here.")


async def bought(link: Link) -> list[Bought]:
    """What belongs to the order, in the order of its lines."""
    async with db.atomic(link.brand_id):
        rows = await db.connection().fetch(
            "SELECT c.batch, c.number, c.sku, s.name, c.line_no, c.state, nullif(c.expires_on, 'infinity') AS expires_on, c.revealed_at"
            " FROM card c JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku"
            " WHERE c.order_no = $1 ORDER BY c.line_no, c.sku, c.batch, c.number LIMIT 1000",
            link.order_no,
        )
    return [Bought(**dict(row)) for row in rows]
