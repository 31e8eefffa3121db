"""What resellers agree to: versions that the brand publishes, and which of them who agreed to, when and from where."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import notification
from qucheng.network import attempt, blocklist

LONGEST_TITLE, LONGEST_TEXT = 80, 20_000
MOST = 200
SHOWN = "number, effective_on, title_zh, title_en, text_zh, text_en, sha256, published_at"
IN_FORCE = f"SELECT {SHOWN} FROM agreement WHERE brand_id = current_brand() AND effective_on <= $1 ORDER BY number DESC LIMIT 1"
# those who still work and have not agreed to the version
OWING = """
    SELECT r.code, r.name, (SELECT max(a.number) FROM agreement_acceptance a WHERE a.brand_id = r.brand_id AND a.reseller = r.code) AS last,
           count(*) OVER () AS total
    FROM reseller r WHERE r.brand_id = current_brand() AND reseller_state(r.code, $2) <> 'closed'
      AND NOT EXISTS (SELECT 1 FROM agreement_acceptance a WHERE a.brand_id = r.brand_id AND a.reseller = r.code AND a.number = $1)
    ORDER BY r.code LIMIT $3"""


class AgreementUnfitError(errors.RefusedError):
    """fields: what cannot be so."""

    code: ClassVar[str] = "agreement.unfit"
    status: ClassVar[int] = 422

    def __init__(self, fields: list[str]) -> None:
        super().__init__(f"The agreement cannot be published: {', '.join(fields)}.")
        self.fields = fields


class AgreementChangedError(errors.RefusedError):
    """Another version is in force than the one that was shown."""

    code: ClassVar[str] = "agreement.changed"
    status: ClassVar[int] = 409


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    effective_on: dt.date
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    sha256: str
    published_at: dt.datetime


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """accepted: how many resellers have agreed to it."""

    number: int
    effective_on: dt.date
    title_zh: str
    title_en: str
    sha256: str
    published_at: dt.datetime
    published_by: uuid.UUID | None
    accepted: int


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    accepted_at: dt.datetime
    sha256: str
    address: str
    title_zh: str
    title_en: str
    effective_on: dt.date


class Owing(msgspec.Struct, frozen=True, kw_only=True):
    """last: the version it agreed to before, if any."""

    code: str
    name: str
    last: int | None


def digest(*, title_zh: str, text_zh: str, title_en: str, text_en: str) -> str:
    return hashlib.sha256(f"{title_zh}\n\n{text_zh}\n\n{title_en}\n\n{text_en}".encode()).hexdigest()


def tidy(text: str) -> str:
    """Lines end in one way, and no blank ones stand around it."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()


async def publish(
    *,
    brand_id: uuid.UUID,
    title_zh: str,
    text_zh: str,
    title_en: str,
    text_en: str,
    effective_on: dt.date,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """A version is never changed: another follows it. day: today at the brand. Returns its number.

    Raises AgreementUnfitError, and blocklist.PromiseError where it promises an income.
    """
    given = {"title_zh": tidy(title_zh), "text_zh": tidy(text_zh), "title_en": tidy(title_en), "text_en": tidy(text_en)}
    async with attempt.kept(brand_id=brand_id, what="agreement.publish", subject="agreement", actor=actor):
        blocklist.require(*given.values())
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'agreement')", brand_id)
        last = await db.connection().fetchrow("SELECT number, effective_on FROM agreement ORDER BY number DESC LIMIT 1")
        faults = [name for name, text in given.items() if not _is_fit(name, text)]
        if effective_on < day or (last is not None and effective_on < last["effective_on"]):
            faults.append("effective_on")
        if faults:
            raise AgreementUnfitError(faults)
        number: int = await db.connection().fetchval(
            "INSERT INTO agreement (brand_id, number, effective_on, title_zh, title_en, text_zh, text_en, sha256, published_at, published_by)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING number",
            brand_id,
            1 + (last["number"] if last is not None else 0),
            effective_on,
            given["title_zh"],
            given["title_en"],
            given["text_zh"],
            given["text_en"],
            (sha256 := digest(**given)),
            now,
            actor.user_id,
        )
        after = {"effective_on": effective_on, "sha256": sha256}
        await audit.record(brand_id=brand_id, actor=actor, action="agreement.publish", subject=str(number), after=after)
        await notification.tell_every_reseller(
            brand_id=brand_id,
            kind="agreement.published",
            subject=str(number),
            values={"version": number, "effective_on": effective_on.isoformat()},
        )
    return number


def _is_fit(name: str, text: str) -> bool:
    longest = LONGEST_TITLE if name.startswith("title") else LONGEST_TEXT
    return 0 < len(text) <= longest and all(sign == "\n" or sign.isprintable() for sign in text)


async def in_force(*, brand_id: uuid.UUID, day: dt.date, reseller: str | None = None) -> Agreement | None:
    """reseller: with its eyes."""
    async with db.atomic(brand_id, reseller=reseller):
        row = await db.connection().fetchrow(IN_FORCE, day)
    return None if row is None else Agreement(**dict(row))


async def read(*, brand_id: uuid.UUID, number: int) -> Agreement | None:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"SELECT {SHOWN} FROM agreement WHERE number = $1", number)
    return None if row is None else Agreement(**dict(row))


async def listing(*, brand_id: uuid.UUID) -> list[Listed]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT number, effective_on, title_zh, title_en, sha256, published_at, published_by,"
            " (SELECT count(*) FROM agreement_acceptance a WHERE a.brand_id = g.brand_id AND a.number = g.number) AS accepted"
            " FROM agreement g ORDER BY number DESC LIMIT $1",
            MOST,
        )
    return [Listed(**dict(row)) for row in rows]


async def owing(*, brand_id: uuid.UUID, number: int, day: dt.date) -> tuple[list[Owing], int]:
    """Who has not agreed to the version, the first of them, and how many they are in all."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(OWING, number, day, MOST)
    return [Owing(code=row["code"], name=row["name"], last=row["last"]) for row in rows], rows[0]["total"] if rows else 0


async def accepted(*, brand_id: uuid.UUID, reseller: str, own: bool = False) -> list[Acceptance]:
    """The newest first. own: with the reseller's own eyes."""
    async with db.atomic(brand_id, reseller=reseller if own else None):
        rows = await db.connection().fetch(
            "SELECT a.number, a.accepted_at, a.sha256, a.address, g.title_zh, g.title_en, g.effective_on FROM agreement_acceptance a"
            " JOIN agreement g ON g.brand_id = a.brand_id AND g.number = a.number WHERE a.reseller = $1 ORDER BY a.number DESC LIMIT $2",
            reseller,
            MOST,
        )
    return [Acceptance(**dict(row)) for row in rows]


async def due(*, brand_id: uuid.UUID, reseller: str, day: dt.date) -> Agreement | None:
    """The one in force, where the reseller has not agreed to it; read with its own eyes."""
    async with db.atomic(brand_id, reseller=reseller):
        found = await in_force(brand_id=brand_id, day=day, reseller=reseller)
        if found is None or await _has_agreed(found.number, reseller):
            return None
    return found


async def accept(
    *,
    brand_id: uuid.UUID,
    reseller: str,
    number: int,
    sha256: str,
    address: str,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """By one of the reseller's people. A second time changes nothing. Raises AgreementChangedError."""
    async with db.atomic(brand_id, reseller=reseller):
        found = await in_force(brand_id=brand_id, day=day, reseller=reseller)
        if found is None or (found.number, found.sha256) != (number, sha256):
            raise AgreementChangedError("The agreement is another one by now: read it again.")
        status = await db.connection().execute(
            "INSERT INTO agreement_acceptance (brand_id, number, reseller, sha256, accepted_at, accepted_by, address)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            brand_id,
            number,
            reseller,
            sha256,
            now,
            actor.user_id,
            address,
        )
        if status == "INSERT 0 1":
            after = {"number": number, "sha256": sha256}
            await audit.record(brand_id=brand_id, actor=actor, action="agreement.accept", subject=reseller, after=after)


async def _has_agreed(number: int, reseller: str) -> bool:
    return bool(
        await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM agreement_acceptance WHERE number = $1 AND reseller = $2)", number, reseller
        )
    )
