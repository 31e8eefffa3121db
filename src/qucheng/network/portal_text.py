"""What the brand tells its resellers: announcements, and help that stays. A text is published once; a changed one is another."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.network import attempt, blocklist

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

Kind = Literal["announcement", "help"]
Language = Literal["zh-CN", "en"]
LONGEST_TITLE, LONGEST_BODY = 80, 4000
MOST_SHOWN, MOST_LISTED = 5, 100
LISTED = """
    SELECT t.id, t.kind, t.title_zh, t.body_zh, t.title_en, t.body_en, t.starts_on, t.ends_on, t.published_by, t.published_at, e.ended_by, e.ended_at
    FROM portal_text t LEFT JOIN portal_text_end e ON e.brand_id = t.brand_id AND e.text = t.id"""
SHOWN = """
    SELECT t.id, t.kind, t.title_zh, t.body_zh, t.title_en, t.body_en, t.starts_on, t.published_at FROM portal_text t
    WHERE t.starts_on <= $1 AND (t.ends_on IS NULL OR $1 < t.ends_on)
      AND NOT EXISTS (SELECT 1 FROM portal_text_end e WHERE e.brand_id = t.brand_id AND e.text = t.id)
    ORDER BY t.kind, t.starts_on DESC, t.published_at DESC LIMIT $2"""


class TextUnknownError(errors.RefusedError):
    code: ClassVar[str] = "portal_text.unknown"
    status: ClassVar[int] = 404


class TextRefusedError(errors.RefusedError):
    """Something is missing or too long. field: where."""

    code: ClassVar[str] = "portal_text.refused"
    status: ClassVar[int] = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """In Chinese, in English or in both; from starts_on until the day before ends_on."""

    kind: Kind
    title_zh: str | None = None
    body_zh: str | None = None
    title_en: str | None = None
    body_en: str | None = None
    starts_on: dt.date
    ends_on: dt.date | None = None


class Text(Words, frozen=True, kw_only=True):
    id: uuid.UUID
    published_by: uuid.UUID
    published_at: dt.datetime
    ended_by: uuid.UUID | None
    ended_at: dt.datetime | None

    def state(self, today: dt.date) -> Literal["planned", "shown", "over"]:
        if self.ended_at is not None or (self.ends_on is not None and self.ends_on <= today):
            return "over"
        return "planned" if today < self.starts_on else "shown"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """In one language: the reader's, or the one there is."""

    id: uuid.UUID
    kind: Kind
    title: str
    body: str
    starts_on: dt.date
    published_at: dt.datetime


async def publish(
    *, brand: Brand, words: Words, today: dt.date, actor: audit.Actor, instead_of: uuid.UUID | None = None
) -> uuid.UUID:
    """Returns the text's id. instead_of: one that ends with it. Raises TextRefusedError, TextUnknownError and blocklist.PromiseError.

    Stands outside every transaction: what promises income is kept as an attempt.
    """
    if actor.user_id is None:
        raise RuntimeError("a text is somebody's")
    _check(words, today)
    text_id = ids.new_id()
    facts = {name: value for name, value in msgspec.to_builtins(words).items() if value is not None}
    async with attempt.kept(brand_id=brand.id, what="text.publish", subject=words.kind, actor=actor, facts=facts):
        blocklist.require(words.title_zh, words.body_zh, words.title_en, words.body_en)
    async with db.atomic(brand.id):
        if instead_of is not None:
            await end(brand_id=brand.id, text_id=instead_of, actor=actor)
        await db.connection().execute(
            "INSERT INTO portal_text (brand_id, id, kind, title_zh, body_zh, title_en, body_en, starts_on, ends_on, published_by)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *(brand.id, text_id, words.kind, words.title_zh, words.body_zh, words.title_en, words.body_en),
            *(words.starts_on, words.ends_on, actor.user_id),
        )
        await audit.record(brand_id=brand.id, actor=actor, action="text.publish", subject=str(text_id), after=facts)
    return text_id


async def end(*, brand_id: uuid.UUID, text_id: uuid.UUID, actor: audit.Actor) -> None:
    """From now on nobody sees it. Raises TextUnknownError where it is ended already."""
    async with db.atomic(brand_id):
        try:
            async with db.atomic():
                await db.connection().execute(
                    "INSERT INTO portal_text_end (brand_id, text, ended_by) VALUES ($1, $2, $3)", brand_id, text_id, actor.user_id
                )
        except (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError):
            raise TextUnknownError("There is no such text, or it is ended already.") from None
        await audit.record(brand_id=brand_id, actor=actor, action="text.end", subject=str(text_id))


async def listing(*, brand_id: uuid.UUID, most: int = MOST_LISTED) -> list[Text]:
    """The newest first, those that are over too."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"{LISTED} ORDER BY t.published_at DESC, t.id DESC LIMIT $1", most)
    return [Text(**dict(row)) for row in rows]


async def read(*, brand_id: uuid.UUID, text_id: uuid.UUID) -> Text:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{LISTED} WHERE t.id = $1", text_id)
    if row is None:
        raise TextUnknownError("There is no such text.")
    return Text(**dict(row))


async def shown(*, brand_id: uuid.UUID, reseller: str, today: dt.date, locale: str, most: int = MOST_SHOWN) -> list[Shown]:
    """What people of the reseller see on that day, announcements before help, the newest first."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(SHOWN, today, most)
    return [_in_language(row, locale) for row in rows]


def _in_language(row: asyncpg.Record, locale: str) -> Shown:
    first, second = ("en", "zh") if locale == "en" else ("zh", "en")
    language = first if row[f"title_{first}"] is not None else second
    return Shown(
        title=row[f"title_{language}"],
        body=row[f"body_{language}"],
        **{name: row[name] for name in ("id", "kind", "starts_on", "published_at")},
    )


def _check(words: Words, today: dt.date) -> None:
    pairs = {"zh": (words.title_zh, words.body_zh), "en": (words.title_en, words.body_en)}
    if not any(title or body for title, body in pairs.values()):
        raise TextRefusedError("title_zh", "A text has a title and words, in Chinese, in English or in both.")
    for language, (title, body) in pairs.items():
        if bool(title) != bool(body):
            raise TextRefusedError(f"{'body' if title else 'title'}_{language}", "A title and its words belong together.")
        if title is not None and len(title) > LONGEST_TITLE:
            raise TextRefusedError(f"title_{language}", f"A title has at most {LONGEST_TITLE} characters.")
        if body is not None and len(body) > LONGEST_BODY:
            raise TextRefusedError(f"body_{language}", f"A text has at most {LONGEST_BODY} characters.")
    if words.ends_on is not None and words.ends_on <= max(today, words.starts_on):
        raise TextRefusedError("ends_on", "It ends after it begins, and after today.")
