"""Letters to people: written with the change that they tell of, sent by a task, wiped when they are sent."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db, ids, task

if TYPE_CHECKING:
    from qucheng.core import crypto

SEND = "mail.send"
Kind = Literal[
    "invitation",
    "password-reset",
    "second-factor",
    "application-received",
    "application-approved",
    "application-rejected",
    "delivery",
]
KEPT = dt.timedelta(days=7)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """values: what the text of its kind takes; a token among them."""

    id: uuid.UUID
    kind: Kind
    locale: Literal["zh-CN", "en"]
    to: str
    values: dict[str, str]


async def write(
    *, keys: crypto.Keys, kind: Kind, locale: Literal["zh-CN", "en"], to: str, values: dict[str, str], now: dt.datetime
) -> None:
    """Inside the transaction of what it tells of."""
    await post(await draft(keys=keys, kind=kind, locale=locale, to=to, values=values, now=now))


async def draft(
    *, keys: crypto.Keys, kind: Kind, locale: Literal["zh-CN", "en"], to: str, values: dict[str, str], now: dt.datetime
) -> uuid.UUID:
    """Sealed and not sent: what it tells of is not decided yet. One that is never posted goes with the letters of its week."""
    letter_id = ids.new_id()
    await db.connection().execute(
        "INSERT INTO letter (id, kind, locale, to_cipher, values_cipher, written_at) VALUES ($1, $2, $3, $4, $5, $6)",
        letter_id,
        kind,
        locale,
        keys.seal(to.encode(), place=f"letter.to/{letter_id}"),
        keys.seal(msgspec.json.encode(values), place=f"letter.values/{letter_id}"),
        now,
    )
    return letter_id


async def post(letter_id: uuid.UUID) -> None:
    """Inside the transaction of what it tells of."""
    await task.add(kind=SEND, queue="rest", subject={"letter": str(letter_id)})


async def read(*, keys: crypto.Keys, letter_id: uuid.UUID) -> Letter | None:
    """None where it was sent, or is no more."""
    async with db.atomic():
        row = await db.connection().fetchrow("SELECT * FROM letter WHERE id = $1 AND sent_at IS NULL", letter_id)
    if row is None:
        return None
    return Letter(
        id=letter_id,
        kind=row["kind"],
        locale=row["locale"],
        to=keys.open(row["to_cipher"], place=f"letter.to/{letter_id}").decode(),
        values=msgspec.json.decode(keys.open(row["values_cipher"], place=f"letter.values/{letter_id}"), type=dict[str, str]),
    )


async def wipe(*, letter_id: uuid.UUID, now: dt.datetime) -> None:
    """It was sent: to whom and what are gone. Inside the transaction that ends its task."""
    await db.connection().execute(
        "UPDATE letter SET sent_at = $2, to_cipher = NULL, values_cipher = NULL WHERE id = $1 AND sent_at IS NULL", letter_id, now
    )


async def prune(*, now: dt.datetime) -> None:
    """Letters of last week: sent, or never to be."""
    async with db.atomic():
        await db.connection().execute("DELETE FROM letter WHERE written_at < $1", now - KEPT)
