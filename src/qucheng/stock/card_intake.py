"""How the cards of a batch come in, chunk by chunk: each in one transaction with the row that says how far it is.

An attempt that was killed left whole chunks and a number; the next goes on behind them. So no card comes twice and none is left out.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import crashpoint, db, errors, key_provider
from qucheng.stock import batch as batches
from qucheng.stock import code, rules, secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

State = Literal["waiting", "running", "done", "refused"]
MOST = 1_000_000
CHUNK = 20_000
# a chunk is written and not committed; and committed, with more to come
STORED, COMMITTED = "card.stored", "card.committed"
SHOWN = """i.batch, b.sku, b.pool, i.way, i.state, i.code AS refusal, i.wanted, i.rows_done, i.made, i.refused, i.expires_on, i.strength, i.file_name,
    i.bytes, i.refuse_weak, i.file, i.asked_at, i.ended_at"""
CARDS_IN = """
    INSERT INTO card (brand_id, batch, number, sku, pool, expires_on)
    SELECT b.brand_id, b.number, c.number, b.sku, b.pool, coalesce(c.expires_on, 'infinity') FROM card_chunk c, batch b
    WHERE b.brand_id = $1 AND b.number = $2 ORDER BY c.number"""
SECRETS_IN = """
    INSERT INTO card_secret (brand_id, batch, number, blob, blind, last_four)
    SELECT $1, $2, number, blob, blind, last_four FROM card_chunk ORDER BY number"""


class IntakeUnknownError(errors.RefusedError):
    code: ClassVar[str] = "card_intake.unknown"
    status: ClassVar[int] = 404


class IntakeUnfitError(errors.RefusedError):
    """A number or a day of what is asked for cannot be meant. field: which."""

    code: ClassVar[str] = "card_intake.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """wanted: how many rows there are; None while nobody has counted. refusal: the code of why the file was refused."""

    batch: int
    sku: str
    pool: int
    way: Literal["generated", "imported"]
    state: State
    refusal: str | None
    wanted: int | None
    rows_done: int
    made: int
    refused: int
    expires_on: dt.date | None
    strength: code.Strength | None
    file_name: str | None
    bytes: int | None
    refuse_weak: bool | None
    file: uuid.UUID | None
    asked_at: dt.datetime
    ended_at: dt.datetime | None


class Fresh(msgspec.Struct, frozen=True):
    """A card on its way in. text: what is sealed; plain: what it is found by."""

    text: str
    plain: str
    last_four: str
    expires_on: dt.date | None = None


class Sealing:
    """What a batch's cards are sealed and indexed with."""

    def __init__(self, keys: crypto.Keys, wrapped: bytes, *, brand: Brand, batch: int, sku: str) -> None:
        self.key = secret.opened(key_provider.Ring(keys), wrapped, brand_id=brand.id, batch=batch, sku=sku)
        self.index = secret.BlindIndex(keys, brand.id)


async def read(*, brand_id: uuid.UUID, batch: int) -> Intake:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            f"SELECT {SHOWN} FROM card_intake i JOIN batch b ON b.brand_id = i.brand_id AND b.number = i.batch WHERE i.batch = $1",
            batch,
        )
    if row is None:
        raise IntakeUnknownError(f"There is no batch {batch} of cards.")
    return _intake(row)


async def listing(*, brand_id: uuid.UUID, batches: Sequence[int]) -> dict[int, Intake]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {SHOWN} FROM card_intake i JOIN batch b ON b.brand_id = i.brand_id AND b.number = i.batch WHERE i.batch = ANY ($1)",
            list(batches),
        )
    return {row["batch"]: _intake(row) for row in rows}


async def new_key(*, keys: crypto.Keys, brand_id: uuid.UUID, batch: int, now: dt.datetime) -> None:
    """In the transaction that opens the batch."""
    wrapped = secret.fresh(key_provider.Ring(keys), brand_id=brand_id, batch=batch)
    await db.connection().execute(
        "INSERT INTO data_key (brand_id, batch, wrapped, made_at, wrapped_at) VALUES ($1, $2, $3, $4, $4)",
        brand_id,
        batch,
        wrapped,
        now,
    )


async def sealing(*, keys: crypto.Keys, brand: Brand, intake: Intake) -> Sealing:
    async with db.atomic(brand.id):
        wrapped = await db.connection().fetchval("SELECT wrapped FROM data_key WHERE batch = $1", intake.batch)
    return Sealing(keys, wrapped, brand=brand, batch=intake.batch, sku=intake.sku)


async def store(*, brand_id: uuid.UUID, intake: Intake, sealing: Sealing, first: int, cards: Sequence[Fresh]) -> None:
    """Inside the chunk's transaction: the cards get the numbers from `first` on. COPY into a table with row-level security is refused."""
    texts, names = [card.text for card in cards], [rules.card_id(intake.batch, first + step) for step in range(len(cards))]
    blobs = sealing.key.seal_many(texts, names)
    blinds = sealing.index.many([card.plain for card in cards])
    records = [
        (first + step, blob, blind, card.last_four, card.expires_on)
        for step, (blob, blind, card) in enumerate(zip(blobs, blinds, cards, strict=True))
    ]
    connection = db.connection()
    await connection.execute("DROP TABLE IF EXISTS pg_temp.card_chunk")
    await connection.execute(
        "CREATE TEMP TABLE card_chunk (number integer, blob bytea, blind bytea, last_four text, expires_on date) ON COMMIT DROP"
    )
    await connection.copy_records_to_table("card_chunk", records=records)
    await connection.execute(CARDS_IN, brand_id, intake.batch)
    await connection.execute(SECRETS_IN, brand_id, intake.batch)
    crashpoint.reached(STORED)


async def advance(*, intake: Intake, rows: int, made: int) -> bool:
    """Inside the chunk's transaction: where the next one goes on. False where another attempt has been here."""
    status: str = await db.connection().execute(
        "UPDATE card_intake SET state = 'running', rows_done = $3, made = made + $4, refused = refused + $3 - rows_done - $4"
        " WHERE batch = $1 AND rows_done = $2 AND state IN ('waiting', 'running')",
        intake.batch,
        intake.rows_done,
        rows,
        made,
    )
    return status == "UPDATE 1"


async def finish(*, intake: Intake, now: dt.datetime, refusal: str | None = None) -> None:
    """Inside the last transaction. The key of the file goes with the file."""
    await db.connection().execute(
        "UPDATE card_intake SET state = $2, code = $3, ended_at = $4, wrapped = NULL WHERE batch = $1 AND state IN ('waiting', 'running')",
        intake.batch,
        "refused" if refusal else "done",
        refusal,
        now,
    )
    await batches.filled(number=intake.batch)


def _intake(row: asyncpg.Record) -> Intake:
    return Intake(**dict(row))
