"""What an older key has sealed is sealed by the newest: piece by piece, while everything goes on, for every key of the ring opens what it sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from qucheng.core import crypto, db

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from qucheng.core import task

log = structlog.get_logger("qucheng.keys")
CHUNK = 200


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A column. fields: of the row, its key among them. place: where a value is sealed for, of these fields."""

    table: str
    column: str
    fields: tuple[str, ...]
    place: str
    of_brand: bool = True


# data_key.wrapped is not among them: stock/key_rotation.py wraps it anew, with the time
COLUMNS = (
    Sealed(table="person", column="login_cipher", fields=("id",), place="person.login/{id}", of_brand=False),
    Sealed(table="person", column="name_cipher", fields=("id",), place="person.name/{id}", of_brand=False),
    Sealed(table="second_factor", column="secret_cipher", fields=("user_id",), place="second_factor/{user_id}", of_brand=False),
    Sealed(table="letter", column="to_cipher", fields=("id",), place="letter.to/{id}", of_brand=False),
    Sealed(table="letter", column="values_cipher", fields=("id",), place="letter.values/{id}", of_brand=False),
    Sealed(table="invitation", column="login_cipher", fields=("brand_id", "id"), place="invitation.login/{id}"),
    Sealed(
        table="role_request", column="login_cipher", fields=("brand_id", "approval", "invitation"),
        place="invitation.login/{invitation}",
    ),
    Sealed(table="api_secret", column="signing_cipher", fields=("brand_id", "key", "number"), place="api_secret/{key}/{number}"),
    Sealed(
        table="webhook_secret", column="cipher", fields=("brand_id", "endpoint", "number"), place="webhook_secret/{endpoint}/{number}"
    ),
    Sealed(table="application", column="facts_cipher", fields=("brand_id", "id"), place="application.facts/{id}"),
    Sealed(
        table="reseller_identity", column="facts_cipher", fields=("brand_id", "reseller"),
        place="reseller_identity.facts/{brand_id}/{reseller}",
    ),
    Sealed(table="text_message", column="to_cipher", fields=("brand_id", "id"), place="text_message.to/{id}"),
    Sealed(table="text_message", column="values_cipher", fields=("brand_id", "id"), place="text_message.values/{id}"),
    Sealed(table="card_intake", column="wrapped", fields=("brand_id", "batch", "file"), place="card_file/{brand_id}/{file}"),
    Sealed(table="sale", column="phone_cipher", fields=("brand_id", "order_no"), place="sale/phone/{brand_id}/{order_no}"),
    Sealed(table="sale", column="mail_cipher", fields=("brand_id", "order_no"), place="sale/mail/{brand_id}/{order_no}"),
    Sealed(table="payment", column="phone_cipher", fields=("brand_id", "id"), place="payment/phone/{id}"),
    Sealed(table="payment", column="mail_cipher", fields=("brand_id", "id"), place="payment/mail/{id}"),
    Sealed(table="consumer", column="phone_cipher", fields=("brand_id", "id"), place="consumer.phone/{id}"),
)  # fmt: skip


async def reseal(*, work: task.Work, keys: crypto.Keys, brands: Sequence[uuid.UUID], done: int = 0) -> None:
    """Everything of these brands, and what is no brand's. What does not open stays as it is, and keeps its key.

    done: of the task before. Rows that somebody has locked come last, one by one, so that nobody is waited for with others locked.
    """
    for column in COLUMNS:
        for brand_id in brands if column.of_brand else (None,):
            for waits in (False, True):
                done = await _through(work, keys, column, brand_id, done, waits=waits)


async def _through(
    work: task.Work, keys: crypto.Keys, column: Sealed, brand_id: uuid.UUID | None, done: int, *, waits: bool
) -> int:
    last, closed = None, 0
    while True:
        async with work.effect(brand_id):
            rows = await db.connection().fetch(
                "SELECT row_key, sealed FROM sealed_before($1, $2, $3, $4, $5::jsonb, $6, $7)",
                *(column.table, column.column, list(column.fields), keys.current, last, 1 if waits else CHUNK, waits),
            )
            fresh = []
            for row in rows:
                place = column.place.format(**msgspec.json.decode(row["row_key"]))
                try:
                    opened = keys.open(row["sealed"], place=place)
                except crypto.SealBrokenError:
                    closed += 1
                    continue
                fresh.append((column.table, column.column, row["row_key"], row["sealed"], keys.seal(opened, place=place)))
            await db.connection().executemany("SELECT reseal($1, $2, $3::jsonb, $4, $5)", fresh)
        if not rows:
            break
        last, done = rows[-1]["row_key"], done + len(fresh)
        await work.progress(done, done)
    if closed and waits:
        log.warning("keys.closed", table=column.table, column=column.column, values=closed)
    return done
