"""A card that a shop clerk looks at before redeeming it. What was seen goes with the page as a ticket: sealed, of one terminal, for two
minutes, with the key of the redemption that may come. So the moving QR may change meanwhile, and whoever confirms twice redeems once.

A look that is refused is an answer, and kept as one; a look that is ok keeps nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import secrets
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import crypto, db, errors
from qucheng.redemption import picture, redemption, rules, store

if TYPE_CHECKING:
    import uuid

    from qucheng.core import audit
    from qucheng.identity.brand import Brand

KEPT = dt.timedelta(minutes=2)
LONGEST = 1000
FACTS = """
    SELECT s.code AS sku, s.name, coalesce(b.face_value_minor, s.face_value_minor) AS face_value_minor, s.rules_zh, s.rules_en, x.last_four,
        nullif(least(c.expires_on, c.valid_until), 'infinity') AS last_day
    FROM card c JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku
    JOIN batch b ON b.brand_id = c.brand_id AND b.number = c.batch
    JOIN card_secret x ON x.brand_id = c.brand_id AND x.batch = c.batch AND x.number = c.number
    WHERE c.batch = $1 AND c.number = $2"""


class TicketUnfitError(errors.RefusedError):
    """It is not one of this terminal, was changed, or its time is over."""

    code: ClassVar[str] = "ticket.unfit"
    status: ClassVar[int] = 409


class NoTerminalError(errors.RefusedError):
    """Who asks works at no terminal."""

    code: ClassVar[str] = "terminal.none"
    status: ClassVar[int] = 409


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Of the card, as a shop clerk reads it. last_day: of its use; None for ever. rules: what the brand says of its use."""

    sku: str
    name: str
    face_value_minor: int | None
    rules_zh: str | None
    rules_en: str | None
    last_four: str
    last_day: dt.date | None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """answer: nothing is redeemed by it. ticket: where it may be. facts: there, and of a used card. rule: there, and where it is not time."""

    answer: redemption.Answer
    facts: Facts | None = None
    rule: rules.Rule | None = None
    ticket: str | None = None


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """facts: of a card that is or was redeemed."""

    answer: redemption.Answer
    facts: Facts | None


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    way: redemption.Way
    until: dt.datetime
    batch: int
    number: int
    alias: bytes | None = None
    step: int | None = None
    digits: bytes | None = None
    holder: str | None = None

    @property
    def found(self) -> redemption.Found:
        seen = picture.Read(alias=self.alias, step=self.step) if self.alias is not None and self.step is not None else None
        return redemption.Found(batch=self.batch, number=self.number, seen=seen, digits=self.digits, holder=self.holder)


async def look(
    *,
    brand: Brand,
    keys: crypto.Keys,
    user_id: uuid.UUID,
    presented: redemption.Presented,
    form: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> Look:
    """form: of the page that it was sent from, so that a refusal which is sent again is kept once.

    Raises NoTerminalError, wrong_entry.DigitsClosedError, wrong_entry.CodesClosedError.
    """
    async with db.atomic(brand.id):
        terminal = await _terminal(brand.id, user_id)
        found = await redemption.look(brand=brand, keys=keys, terminal=terminal, presented=presented, now=now)
        seen = await redemption.snapshot(brand=brand, terminal=terminal, found=found)
        verdict = rules.verdict(seen, now)
        if verdict == "ok" and found is not None:
            return Look(
                answer=redemption.Answer(result="ok", at=now, sku=seen.card.sku if seen.card else None, store=terminal.store),
                facts=await _facts(found.batch, found.number),
                rule=seen.rule,
                ticket=_sealed(keys, brand.id, terminal.id, presented.way, found, seen.card, now),
            )
        if presented.way == "code" and verdict == "unknown":
            await redemption.count_wrong(brand_id=brand.id, terminal=terminal.id, now=now)
        asked = redemption.Asked(key=_refusal_key(keys, form, presented, verdict), way=presented.way)
        answer = await redemption.answered(brand_id=brand.id, terminal=terminal.id, asked=asked)
        if answer is None:
            answer = await redemption.carry_out(
                brand_id=brand.id,
                terminal=terminal.id,
                asked=asked,
                found=found,
                seen=seen,
                actor=actor,
                now=now,
            )
        known = await _facts(found.batch, found.number) if found is not None and verdict == "used" else None
        return Look(answer=answer, facts=known, rule=seen.rule if verdict == "not_yet" else None)


async def confirm(
    *, brand: Brand, keys: crypto.Keys, user_id: uuid.UUID, ticket: str, actor: audit.Actor, now: dt.datetime
) -> Confirmed:
    """Judged again, in this moment. A ticket that was answered is answered the same, for as long as it can be read.

    Raises NoTerminalError, TicketUnfitError, redemption.ReversedError.
    """
    async with db.atomic(brand.id):
        terminal = await _terminal(brand.id, user_id)
        read = _opened(keys, brand.id, terminal.id, ticket)
        asked = redemption.Asked(key=read.key, way=read.way)
        answer = await redemption.answered(brand_id=brand.id, terminal=terminal.id, asked=asked)
        if answer is None:
            if now >= read.until:
                raise TicketUnfitError("It was looked at too long ago: scan it again.")
            seen = await redemption.snapshot(brand=brand, terminal=terminal, found=read.found)
            answer = await redemption.carry_out(
                brand_id=brand.id,
                terminal=terminal.id,
                asked=asked,
                found=read.found,
                seen=seen,
                actor=actor,
                now=now,
            )
        known = await _facts(read.batch, read.number) if answer.result in {"ok", "used"} else None
        return Confirmed(answer=answer, facts=known)


async def _terminal(brand_id: uuid.UUID, user_id: uuid.UUID) -> store.Terminal:
    found = await store.terminal_of(brand_id=brand_id, user_id=user_id)
    if found is None:
        raise NoTerminalError("You work at no terminal: nothing is redeemed.")
    return found


async def _facts(batch: int, number: int) -> Facts:
    return Facts(**dict(await db.connection().fetchrow(FACTS, batch, number)))


def _refusal_key(keys: crypto.Keys, form: str, presented: redemption.Presented, verdict: rules.Verdict) -> str:
    said = f"{form}/{presented.way}/{presented.text}/{presented.phone_end}/{verdict}"
    return f"look-{keys.fingerprint(said, of='redemption.look').hex()}"


def _place(brand_id: uuid.UUID, terminal: uuid.UUID) -> str:
    return f"redemption.ticket/{brand_id}/{terminal}"


def _sealed(
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    terminal: uuid.UUID,
    way: redemption.Way,
    found: redemption.Found,
    card: rules.Card | None,
    now: dt.datetime,
) -> str:
    told = _Sealed(
        key=f"till-{secrets.token_hex(16)}",
        way=way,
        until=now + KEPT,
        batch=found.batch,
        number=found.number,
        alias=found.seen.alias if found.seen else None,
        step=found.seen.step if found.seen else None,
        digits=found.digits,
        holder=card.holder if card else None,
    )
    return base64.urlsafe_b64encode(keys.seal(msgspec.json.encode(told), place=_place(brand_id, terminal))).decode()


def _opened(keys: crypto.Keys, brand_id: uuid.UUID, terminal: uuid.UUID, ticket: str) -> _Sealed:
    try:
        plain = keys.open(base64.urlsafe_b64decode(ticket[:LONGEST].encode()), place=_place(brand_id, terminal))
    except (crypto.SealBrokenError, binascii.Error, ValueError):
        raise TicketUnfitError("This page is not of your terminal: scan the card again.") from None
    return msgspec.json.decode(plain, type=_Sealed)
