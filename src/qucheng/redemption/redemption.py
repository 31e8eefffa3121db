"""A card is presented, answered, and redeemed at most once. The answer is kept with what it was judged by."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors, idempotency, ids, outbox
from qucheng.redemption import digits, picture, rules, store, wrong_entry
from qucheng.stock import act, secret, trace
from qucheng.stock import rules as stock_rules

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

Way = Literal["code", "dynamic", "digits"]
COLUMNS = "r.id, r.key, r.at, r.verdict, r.batch, r.number, r.undone, r.snapshot::text, r.presented"
CARD = """
    SELECT c.sku, c.state, c.came_from, coalesce(c.claim::text, c.order_no || '/' || c.line_no) AS holder, c.void_reason, nullif(least(c.expires_on, c.valid_until), 'infinity') AS last_day,
        CASE WHEN c.order_no IS NULL THEN p.channel ELSE l.channel END AS channel,
        $3 OR EXISTS (SELECT 1 FROM terminal_sku t WHERE t.brand_id = c.brand_id AND t.terminal = $4 AND t.sku = c.sku) AS may,
        u.version, u.document::text AS document,
        (SELECT r.id FROM redemption r WHERE r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number
             AND r.verdict = 'ok' AND NOT r.undone) AS used_by
    FROM card c JOIN pool p ON p.brand_id = c.brand_id AND p.number = c.pool
    LEFT JOIN order_line l ON l.brand_id = c.brand_id AND l.order_no = c.order_no AND l.line_no = c.line_no
    LEFT JOIN LATERAL (SELECT version, document FROM redemption_rule r WHERE r.brand_id = c.brand_id AND r.sku = c.sku
                       ORDER BY version DESC LIMIT 1) u ON true
    WHERE c.batch = $1 AND c.number = $2"""
EARLIER = """
    SELECT r.at, s.code AS store, s.name AS store_name FROM redemption r
    JOIN terminal t ON t.brand_id = r.brand_id AND t.id = r.terminal JOIN store s ON s.brand_id = t.brand_id AND s.code = t.store
    WHERE r.id = $1"""


class ReversedError(errors.RefusedError):
    """The key was reversed before it came, and is blocked for good."""

    code: ClassVar[str] = "redemption.reversed"


class RedemptionUnknownError(errors.RefusedError):
    code: ClassVar[str] = "redemption.unknown"
    status: ClassVar[int] = 404


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What was scanned or typed. phone_end: with digits."""

    way: Way
    text: str
    phone_end: str = ""

    def __repr__(self) -> str:
        return f"Presented({self.way})"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is kept with. presented: a fingerprint of what was; None with a key that stands for one card only."""

    key: str
    way: Way
    presented: bytes | None = None


class Used(msgspec.Struct, frozen=True, kw_only=True):
    at: dt.datetime
    store: str
    store_name: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """id: None for who has no terminal. card, sku: of what was redeemed, or was before. used: when and where it was."""

    result: rules.Verdict
    id: uuid.UUID | None = None
    at: dt.datetime | None = None
    card: str | None = None
    sku: str | None = None
    store: str | None = None
    used: Used | None = None
    undone: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The card that was presented, and how. seen: of a moving QR. digits: the fingerprint of digits. holder: who had it at a look before."""

    batch: int
    number: int
    seen: picture.Read | None = None
    digits: bytes | None = None
    holder: str | None = None


async def redeem(
    *,
    brand: Brand,
    keys: crypto.Keys,
    api_key: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    key: str,
    presented: Presented,
    actor: audit.Actor,
    now: dt.datetime,
) -> Answer:
    """By a program's key or a shop clerk: one of the two. The same key again is answered the same, and does nothing.

    Raises ReversedError, wrong_entry.DigitsClosedError, wrong_entry.CodesClosedError; and idempotency.OtherRequestError for a key that
    came with something else, however long ago: its answer would be taken for this card's.
    """
    said = f"{brand.id}/{presented.way}/{presented.text}/{presented.phone_end}"
    asked = Asked(key=key, way=presented.way, presented=keys.fingerprint(said, of="redemption.presented"))
    async with db.atomic(brand.id):
        terminal = await store.terminal_of(brand_id=brand.id, api_key=api_key, user_id=user_id)
        if terminal is None:
            return Answer(result="unknown")
        earlier = await answered(brand_id=brand.id, terminal=terminal.id, asked=asked)
        if earlier is not None:
            return earlier
        found = await look(brand=brand, keys=keys, terminal=terminal, presented=presented, now=now)
        seen = await snapshot(brand=brand, terminal=terminal, found=found)
        if presented.way == "code" and rules.verdict(seen, now) == "unknown":
            await count_wrong(brand_id=brand.id, terminal=terminal.id, now=now)
        return await carry_out(brand_id=brand.id, terminal=terminal.id, asked=asked, found=found, seen=seen, actor=actor, now=now)


async def kept_key(*, brand_id: uuid.UUID, keys: crypto.Keys, key: str) -> str:
    """A key as it is kept. The code of a card is kept nowhere: a fingerprint stands for it, and the same key is the same one again."""
    if not await trace.is_code(brand_id=brand_id, keys=keys, text=key):
        return key
    return f"code-{keys.fingerprint(f'{brand_id}/{key}', of='redemption.key').hex()}"


async def answered(*, brand_id: uuid.UUID, terminal: uuid.UUID, asked: Asked) -> Answer | None:
    """What the key was answered before; it is locked until the transaction ends. Raises ReversedError, idempotency.OtherRequestError."""
    await lock_key(brand_id, terminal, asked.key)
    if await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM reversed_key WHERE terminal = $1 AND key = $2)", terminal, asked.key
    ):
        raise ReversedError("This key was reversed before it came: nothing is redeemed with it.")
    row = await _by_key(terminal, asked.key)
    if row is None:
        return None
    if row["presented"] != asked.presented:
        raise idempotency.OtherRequestError("This key was used for another redemption.")
    return await _answer(row)


async def carry_out(
    *,
    brand_id: uuid.UUID,
    terminal: uuid.UUID,
    asked: Asked,
    found: Found | None,
    seen: rules.Snapshot,
    actor: audit.Actor,
    now: dt.datetime,
) -> Answer:
    """Judges what was seen in this transaction, keeps the answer, and redeems the card where it is ok."""
    verdict = rules.verdict(seen, now)
    made = await _note(brand_id, terminal, asked, found, seen, verdict, now)
    if verdict == "ok" and found is not None:
        await _use(brand_id, made, found, actor, now)
    row = await _by_key(terminal, asked.key)
    assert row is not None  # noqa: S101 - written above, in this transaction
    return await _answer(row)


async def count_wrong(*, brand_id: uuid.UUID, terminal: uuid.UUID, now: dt.datetime) -> None:
    """A code that nobody has. Raises wrong_entry.CodesClosedError where others closed the entry meanwhile."""
    await wrong_entry.take_turns(brand_id=brand_id, terminal=terminal, way="code")
    await wrong_entry.require_open(terminal=terminal, way="code", now=now)
    await wrong_entry.count(brand_id=brand_id, terminal=terminal, way="code", now=now)


async def lock_key(brand_id: uuid.UUID, terminal: uuid.UUID, key: str) -> None:
    """A redemption and the reversal of its key go one after the other; what was committed meanwhile is seen afterwards."""
    await db.connection().execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"redemption:{brand_id}:{terminal}:{key}"
    )


async def find(*, brand_id: uuid.UUID, api_key: uuid.UUID, key: str) -> Answer:
    """What the terminal was answered to this key. Raises RedemptionUnknownError."""
    async with db.atomic(brand_id):
        terminal = await store.terminal_of(brand_id=brand_id, api_key=api_key)
        row = await _by_key(terminal.id, key) if terminal is not None else None
        if row is None:
            raise RedemptionUnknownError("Nothing was redeemed with this key.")
        return await _answer(row)


async def _by_key(terminal: uuid.UUID, key: str) -> asyncpg.Record | None:
    return await db.connection().fetchrow(
        f"SELECT {COLUMNS} FROM redemption r WHERE r.terminal = $1 AND r.key = $2", terminal, key
    )


async def look(
    *, brand: Brand, keys: crypto.Keys, terminal: store.Terminal, presented: Presented, now: dt.datetime
) -> Found | None:
    """Inside the transaction of the answer. Raises wrong_entry.DigitsClosedError, wrong_entry.CodesClosedError."""
    connection = db.connection()
    if presented.way == "digits":
        held = await digits.read(
            brand_id=brand.id,
            keys=keys,
            terminal=terminal.id,
            store=terminal.store,
            entered=presented.text,
            phone_end=presented.phone_end,
            now=now,
        )
        return Found(batch=held.batch, number=held.number, digits=held.fingerprint) if held else None
    if presented.way == "dynamic":
        seen = picture.read(keys, brand.id, presented.text, now)
        row = await connection.fetchrow("SELECT batch, number FROM card_alias WHERE alias = $1", seen.alias) if seen else None
        return Found(batch=row["batch"], number=row["number"], seen=seen) if row is not None else None
    await wrong_entry.require_open(terminal=terminal.id, way="code", now=now)
    blinds = secret.BlindIndex(keys, brand.id).typed(presented.text)
    row = await connection.fetchrow(
        "SELECT batch, number FROM card_secret WHERE blind = ANY ($1::bytea[]) ORDER BY batch, number LIMIT 1", blinds
    )
    return Found(batch=row["batch"], number=row["number"]) if row is not None else None


async def snapshot(*, brand: Brand, terminal: store.Terminal, found: Found | None) -> rules.Snapshot:
    """The card is locked: what is seen of it holds until the transaction ends."""
    place = rules.Place(
        terminal=str(terminal.id), store=terminal.store, area=terminal.area, may=terminal.all_skus, closed=terminal.closed
    )
    if found is None:
        return rules.Snapshot(zone=brand.time_zone, place=place, card=None)
    connection = db.connection()
    await connection.execute("SELECT lock_card($1, $2)", found.batch, found.number)
    row = await connection.fetchrow(CARD, found.batch, found.number, terminal.all_skus, terminal.id)
    card = rules.Card(**{name: row[name] for name in rules.Card.__struct_fields__})
    return rules.Snapshot(
        zone=brand.time_zone,
        place=msgspec.structs.replace(place, may=row["may"]),
        card=card,
        rule=msgspec.json.decode(row["document"], type=rules.Rule) if row["document"] else None,
        rule_version=row["version"],
        # paid back unseen and given to somebody else meanwhile: what was shown is not theirs
        spent=found.holder not in (None, card.holder) or await _spent(found),
        used_by=row["used_by"],
    )


async def _spent(found: Found) -> bool:
    """Read with the card locked: somebody may have used them while it was waited for.

    Digits that stand for another card by now, or for none, tell no more whether they were used: they are taken as such.
    """
    if found.digits is not None:
        spent: bool | None = await db.connection().fetchval(
            "SELECT spent FROM short_digits WHERE fingerprint = $1 AND batch = $2 AND number = $3",
            *(found.digits, found.batch, found.number),
        )
        return spent is not False
    return found.seen is not None and bool(
        await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM spent_picture WHERE alias = $1 AND step = $2)", found.seen.alias, found.seen.step
        )
    )


async def _note(
    brand_id: uuid.UUID,
    terminal: uuid.UUID,
    asked: Asked,
    found: Found | None,
    seen: rules.Snapshot,
    verdict: rules.Verdict,
    now: dt.datetime,
) -> uuid.UUID:
    made = ids.new_id()
    await db.connection().execute(
        "INSERT INTO redemption (brand_id, id, terminal, key, way, at, verdict, batch, number, snapshot, presented)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11)",
        *(brand_id, made, terminal, asked.key, asked.way, now, verdict),
        *((found.batch, found.number) if found is not None else (None, None)),
        *(msgspec.json.encode(seen).decode(), asked.presented),
    )
    return made


async def _use(brand_id: uuid.UUID, made: uuid.UUID, found: Found, actor: audit.Actor, now: dt.datetime) -> None:
    connection, card = db.connection(), stock_rules.card_id(found.batch, found.number)
    await act.open_act(kind="redeem", actor=actor, now=now)
    done = await connection.execute(
        "UPDATE card SET state = 'redeemed', came_from = state WHERE batch = $1 AND number = $2 AND state IN ('delivered', 'revealed')",
        found.batch,
        found.number,
    )
    if done != "UPDATE 1":
        raise RuntimeError("a card that was locked and could be redeemed is not as it was")
    if found.seen is not None:
        await connection.execute(
            "INSERT INTO spent_picture (brand_id, alias, step, redemption) VALUES ($1, $2, $3, $4)",
            *(brand_id, found.seen.alias, found.seen.step, made),
        )
    if found.digits is not None:
        await connection.execute(
            "UPDATE short_digits SET spent = true WHERE fingerprint = $1 AND batch = $2 AND number = $3",
            *(found.digits, found.batch, found.number),
        )
    await audit.record(brand_id=brand_id, actor=actor, action="card.redeem", subject=card, after={"redemption": str(made)})
    await outbox.tell(brand_id=brand_id, kind="card.redeemed", subject=card, data={"redemptionId": str(made)})


async def _answer(row: asyncpg.Record) -> Answer:
    """Of a card that was not redeemed, now or before, nothing is told."""
    result, seen = row["verdict"], msgspec.json.decode(row["snapshot"], type=rules.Snapshot)
    earlier = await db.connection().fetchrow(EARLIER, seen.used_by) if result == "used" else None
    shown = result in {"ok", "used"} and seen.card is not None
    return Answer(
        result=result,
        id=row["id"],
        at=row["at"],
        card=stock_rules.card_id(row["batch"], row["number"]) if shown else None,
        sku=seen.card.sku if shown and seen.card is not None else None,
        store=seen.place.store,
        used=Used(**dict(earlier)) if earlier is not None else None,
        undone=row["undone"],
    )
