"""Codes of the brand's own, by chance: asked for by a person, made behind the page, a million at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import audit, crashpoint, db, task, telling
from qucheng.stock import batch as batches
from qucheng.stock import card_intake, code, rules

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

KIND = "cards.generate"
MOST_AT_ONCE = 20_000


async def request(
    *,
    brand: Brand,
    keys: crypto.Keys,
    sku: str,
    quantity: int,
    strength: code.Strength = "standard",
    pool: int = 0,
    face_value_minor: int | None = None,
    expires_on: dt.date | None = None,
    note: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """Opens the batch with its key and the task that fills it; returns its number."""
    _require(brand, quantity, expires_on, now)
    async with db.atomic(brand.id):
        number = await batches.open_batch(
            brand_id=brand.id,
            sku=sku,
            source="generated",
            quantity=quantity,
            pool=pool,
            face_value_minor=face_value_minor,
            note=note,
            actor=actor,
            now=now,
        )
        await card_intake.new_key(keys=keys, brand_id=brand.id, batch=number, now=now)
        task_id = await task.add(kind=KIND, queue="rest", brand_id=brand.id, subject={"batch": number})
        await db.connection().execute(
            "INSERT INTO card_intake (brand_id, batch, way, task, wanted, expires_on, strength, asked_at)"
            " VALUES ($1, $2, 'generated', $3, $4, $5, $6, $7)",
            brand.id,
            number,
            task_id,
            quantity,
            expires_on,
            strength,
            now,
        )
        after = {"sku": sku, "quantity": quantity, "strength": strength, "expires_on": expires_on}
        await audit.record(brand_id=brand.id, actor=actor, action="batch.generate", subject=str(number), after=after)
    return number


async def run(*, work: task.Work, brand: Brand, keys: crypto.Keys, now: dt.datetime) -> None:
    """Does what request() asked for, from where an attempt before has stopped."""
    intake = await card_intake.read(brand_id=brand.id, batch=work.task.subject["batch"])
    if intake.state == "done" or intake.wanted is None:
        return
    sealing = await card_intake.sealing(keys=keys, brand=brand, intake=intake)
    told = telling.Rows(intake.wanted)
    told.more(intake.rows_done)
    async with telling.telling(work, told.how_far):
        while intake.rows_done < intake.wanted:
            count = min(card_intake.CHUNK, intake.wanted - intake.rows_done)
            async with work.effect(brand.id):
                await _chunk(brand, intake, sealing, count)
            crashpoint.reached(card_intake.COMMITTED)
            told.more(count)
            intake = await card_intake.read(brand_id=brand.id, batch=intake.batch)
        async with work.finishing(brand.id):
            await card_intake.finish(intake=intake, now=now)


async def make_now(
    *,
    brand: Brand,
    keys: crypto.Keys,
    sku: str,
    quantity: int,
    pool: int = 0,
    face_value_minor: int | None = None,
    expires_on: dt.date | None = None,
    note: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """A few, in one transaction and without a task; returns the number of the batch, which is filled and not released."""
    _require(brand, quantity, expires_on, now)
    if quantity > MOST_AT_ONCE:
        raise card_intake.IntakeUnfitError("quantity", f"At most {MOST_AT_ONCE} cards are made at once.")
    async with db.atomic(brand.id):
        number = await request(
            brand=brand,
            keys=keys,
            sku=sku,
            quantity=quantity,
            pool=pool,
            face_value_minor=face_value_minor,
            expires_on=expires_on,
            note=note,
            actor=actor,
            now=now,
        )
        intake = await card_intake.read(brand_id=brand.id, batch=number)
        sealing = await card_intake.sealing(keys=keys, brand=brand, intake=intake)
        await _chunk(brand, intake, sealing, quantity)
        await card_intake.finish(intake=intake, now=now)
    return number


async def _chunk(brand: Brand, intake: card_intake.Intake, sealing: card_intake.Sealing, count: int) -> None:
    plain = code.many(count, intake.strength or "standard")
    cards = [card_intake.Fresh(each, each, each[-code.TAIL :], intake.expires_on) for each in plain]
    if not await card_intake.advance(intake=intake, rows=intake.rows_done + count, made=count):
        raise task.LeaseLostError(f"batch {intake.batch} is being filled by another attempt")
    await card_intake.store(brand_id=brand.id, intake=intake, sealing=sealing, first=intake.made + 1, cards=cards)


def _require(brand: Brand, quantity: int, expires_on: dt.date | None, now: dt.datetime) -> None:
    if not 1 <= quantity <= card_intake.MOST:
        raise card_intake.IntakeUnfitError("quantity", f"A batch has 1 to {card_intake.MOST} cards.")
    if expires_on is not None and expires_on <= rules.local_day(now, brand.time_zone):
        raise card_intake.IntakeUnfitError("expires_on", "Cards of a new batch end after today.")
