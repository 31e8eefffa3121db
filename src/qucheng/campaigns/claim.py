"""Claims: those who ask while a batch is under way are served together by the next, and each is answered when it is committed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.campaigns import offer
from qucheng.core import db, errors, idempotency, ids
from qucheng.stock import rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

MOST = 500
PLACE = "claim.subject"
SUBJECT = re.compile(r"[!-~]{1,128}")


class SubjectUnfitError(errors.RefusedError):
    code: ClassVar[str] = "subject.unfit"
    status: ClassVar[int] = 422


class NotBegunError(errors.RefusedError):
    code: ClassVar[str] = "claim.not_begun"


class EndedError(errors.RefusedError):
    code: ClassVar[str] = "claim.ended"
    status: ClassVar[int] = 410


class SoldOutError(errors.RefusedError):
    """No card is left for it, or the offer's quota is taken."""

    code: ClassVar[str] = "claim.sold_out"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Of a program: whose key, its Idempotency-Key, and what is asked for, as a fingerprint."""

    api_key: uuid.UUID
    key: str
    fingerprint: bytes


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """fresh: made now. replayed: the same request made it. Neither: the person had it already."""

    id: uuid.UUID
    card: str
    claimed_at: dt.datetime
    fresh: bool
    replayed: bool


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """id: of the claim that it may become. subject: who, by fingerprint."""

    id: uuid.UUID
    subject: bytes
    request: Request | None


class _UndoneError(Exception):
    """What is tried and not kept ends with it."""


Answer = Claim | errors.RefusedError


def ask(*, brand: Brand, keys: crypto.Keys, subject: str, request: Request | None = None) -> Ask:
    """subject: as the brand's app names a person. Raises SubjectUnfitError."""
    if SUBJECT.fullmatch(subject) is None:
        raise SubjectUnfitError("A subject is 1 to 128 visible ASCII characters.")
    return Ask(id=ids.new_id(), subject=keys.fingerprint(f"{brand.id}:{subject}", of=PLACE), request=request)


async def serve(*, brand: Brand, code: str, asks: Sequence[Ask], now: dt.datetime) -> list[Answer]:
    """All in one transaction: what each is answered, in their order. No two have the same request."""
    requests = [each.request for each in asks]
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            "SELECT outcome, id, batch, number, claimed_at FROM claim_cards($1, $2, $3, $4, $5, $6, $7, $8) ORDER BY turn",
            code,
            [each.id for each in asks],
            [each.subject for each in asks],
            [each and each.api_key for each in requests],
            [each and each.key for each in requests],
            [each and each.fingerprint for each in requests],
            rules.local_day(now, brand.time_zone),
            now,
        )
    return [_answer(*row) for row in rows]


def _answer(outcome: str, made: uuid.UUID, batch: int, number: int, claimed_at: dt.datetime) -> Answer:
    match outcome:
        case "claimed" | "replayed" | "earlier":
            return Claim(
                id=made,
                card=rules.card_id(batch, number),
                claimed_at=claimed_at,
                fresh=outcome == "claimed",
                replayed=outcome == "replayed",
            )
        case "other_request":
            return idempotency.OtherRequestError("This Idempotency-Key was used for another request.")
        case "not_begun":
            return NotBegunError("This offer has not begun.")
        case "ended":
            return EndedError("This offer has ended.")
        case "sold_out":
            return SoldOutError("Nothing is left of this offer.")
        case _:
            return offer.OfferUnknownError("There is no such offer.")


async def try_out(*, brand: Brand, code: str, one: Ask, now: dt.datetime) -> Claim:
    """What it would be answered; nothing of it stays. Raises what claim() raises."""
    answers: list[Answer] = []
    with contextlib.suppress(_UndoneError):
        async with db.atomic(brand.id):
            answers = await serve(brand=brand, code=code, asks=[one], now=now)
            raise _UndoneError
    return _given(answers[0])


def _given(answer: Answer) -> Claim:
    if isinstance(answer, errors.RefusedError):
        raise answer
    return answer


@dataclasses.dataclass(frozen=True, eq=False)
class _Waiting:
    brand: Brand
    one: Ask
    now: dt.datetime
    answer: asyncio.Future[Answer]


class Desk:
    """Of one process. Several serve one offer side by side: the database lets one batch in after the other."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._queues: dict[tuple[uuid.UUID, str], list[_Waiting]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def claim(self, *, brand: Brand, code: str, one: Ask, now: dt.datetime) -> Claim:
        """Raises OfferUnknownError, NotBegunError, EndedError, SoldOutError, OtherRequestError."""
        place = (brand.id, code)
        waiting = _Waiting(brand, one, now, asyncio.get_running_loop().create_future())
        if place in self._queues:
            self._queues[place].append(waiting)
        else:
            self._queues[place] = [waiting]
            # in a context of its own: it is no part of the transaction or the request of who came first
            task = asyncio.create_task(self._serve_all(place), context=contextvars.Context())
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return _given(await waiting.answer)

    async def _serve_all(self, place: tuple[uuid.UUID, str]) -> None:
        try:
            while batch := self._next(place):
                await self._serve(place[1], batch)
        finally:
            for left in self._queues.pop(place):
                left.answer.cancel()

    def _next(self, place: tuple[uuid.UUID, str]) -> list[_Waiting]:
        """Who is next; of a request that was sent twice, the second comes later. Who gave up is not served."""
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        taken: set[tuple[uuid.UUID, str]] = set()
        for each in self._queues[place]:
            name = (each.one.request.api_key, each.one.request.key) if each.one.request is not None else None
            if each.answer.done():
                continue
            if len(batch) == self._most or name in taken:
                later.append(each)
                continue
            batch.append(each)
            if name is not None:
                taken.add(name)
        self._queues[place] = later
        return batch

    async def _serve(self, code: str, batch: list[_Waiting]) -> None:
        now = max(each.now for each in batch)
        try:
            answers = await serve(brand=batch[-1].brand, code=code, asks=[each.one for each in batch], now=now)
        except asyncio.CancelledError:
            for each in batch:
                each.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - each who waits is told
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each, answer in zip(batch, answers, strict=True):
            if not each.answer.done():
                each.answer.set_result(answer)


DESK = Desk()
