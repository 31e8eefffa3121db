"""Text messages of a brand: sealed until they are sent, and gone afterwards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db, ids, task

if TYPE_CHECKING:
    from qucheng.core import crypto

SEND = "text.send"
Kind = Literal["delivery", "code"]
Locale = Literal["zh-CN", "en"]
# what comes later than that is of no use to anybody
GOOD_FOR: dict[Kind, dt.timedelta] = {"code": dt.timedelta(minutes=5)}
KEPT = dt.timedelta(days=7)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """good_until: it is not sent from then on; None for any time. to: a phone number as +8613800138000. values: what the text of its
    kind leaves open.
    """

    id: uuid.UUID
    kind: Kind
    locale: Locale
    good_until: dt.datetime | None
    to: str
    values: dict[str, str]

    def __repr__(self) -> str:
        return f"Message({self.id})"


async def write(
    *, keys: crypto.Keys, brand_id: uuid.UUID, kind: Kind, locale: Locale, to: str, values: dict[str, str], now: dt.datetime
) -> None:
    """Inside the transaction of what it tells of."""
    message_id = ids.new_id()
    await db.connection().execute(
        "INSERT INTO text_message (brand_id, id, kind, locale, to_cipher, values_cipher, written_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        brand_id,
        message_id,
        kind,
        locale,
        keys.seal(to.encode(), place=_place("to", message_id)),
        keys.seal(msgspec.json.encode(values), place=_place("values", message_id)),
        now,
    )
    await task.add(kind=SEND, queue="messages", brand_id=brand_id, subject={"message": message_id})


async def read(*, keys: crypto.Keys, brand_id: uuid.UUID, message_id: uuid.UUID) -> Message | None:
    """None where it was sent, or wiped."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow("SELECT * FROM text_message WHERE id = $1 AND sent_at IS NULL", message_id)
    if row is None:
        return None
    good_for = GOOD_FOR.get(row["kind"])
    return Message(
        id=message_id,
        kind=row["kind"],
        locale=row["locale"],
        good_until=row["written_at"] + good_for if good_for is not None else None,
        to=keys.open(row["to_cipher"], place=_place("to", message_id)).decode(),
        values=msgspec.json.decode(keys.open(row["values_cipher"], place=_place("values", message_id)), type=dict[str, str]),
    )


async def wipe(*, message_id: uuid.UUID, now: dt.datetime) -> None:
    """Inside the transaction that ends its task, whether it was sent or came too late."""
    await db.connection().execute(
        "UPDATE text_message SET sent_at = $2, to_cipher = NULL, values_cipher = NULL WHERE id = $1 AND sent_at IS NULL",
        message_id,
        now,
    )


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes the messages of last week, sent or never to be; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute("DELETE FROM text_message WHERE written_at < $1", now - KEPT)
    return int(status.removeprefix("DELETE "))


def _place(what: str, message_id: uuid.UUID) -> str:
    return f"text_message.{what}/{message_id}"
