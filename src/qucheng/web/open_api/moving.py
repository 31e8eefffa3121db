"""Requests of machines that move money, stock or cards: done once for each Idempotency-Key."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from litestar import Response

from qucheng.core import clock, idempotency, money
from qucheng.web import machines
from qucheng.web import site as sites
from qucheng.web.open_api import reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from litestar import Request

    from qucheng.identity.brand import Brand
    from qucheng.orders.rules import Fault
    from qucheng.web.open_api import shapes

T = TypeVar("T", bound=msgspec.Struct)


class Told(msgspec.Struct, frozen=True):
    """What tells a request from another, without what was sent: a code or a phone is not to be found by trying."""

    fingerprint: bytes


def told(request: Request[Any, Any, Any], sent: msgspec.Struct, *, of: str) -> Told:
    return Told(sites.of(request).keys.fingerprint(msgspec.json.encode(sent).decode(), of=of))


async def once(
    request: Request[Any, Any, Any],
    sent: msgspec.Struct,
    act: Callable[[], Awaitable[tuple[int, Any]]],
    *,
    key: str | None = None,
) -> Response[bytes]:
    """What a test key asks for is tried, answered and not kept. key: what the request's own is kept as, where that is another."""
    caller = machines.caller(request)
    reply = await idempotency.once(
        brand_id=caller.brand_id,
        key_id=caller.key_id,
        key=key or idempotency.require_key(request.headers.get("idempotency-key")),
        request=idempotency.fingerprint(request.method.encode(), machines.target(request).encode(), msgspec.json.encode(sent)),
        act=act,
        actor=machines.actor(request),
        now=clock.now(),
        kept=caller.mode == "live",
    )
    replayed = {"idempotent-replayed": "true"} if reply.replayed else {}
    return Response(
        reply.body, status_code=reply.status, media_type=machines.JSON, headers={**machines.headers(request), **replayed}
    )


class Amounts:
    """Reads amounts of a body; what cannot be one is noted with its place, and taken for 0."""

    def __init__(self, brand: Brand) -> None:
        self._brand = brand
        self.faults: list[reading.Fault] = []

    def minor(self, sent: shapes.Money, pointer: str) -> int:
        if sent.currency != self._brand.currency:
            self._note("amount.currency", "The brand settles in another currency.", f"{pointer}/currency")
        try:
            return money.parse_plain(sent.amount, self._brand.decimals)
        except ValueError:
            self._note(
                "amount.invalid", f"From 0 to less than 10^10, with at most {self._brand.decimals} decimals.", f"{pointer}/amount"
            )
            return 0

    def _note(self, code: str, detail: str, pointer: str) -> None:
        self.faults.append(reading.Fault(code=code, detail=detail, pointer=pointer))


def utc(sent: dt.datetime, pointer: str) -> dt.datetime:
    """Offsets may be larger than the database reads. Raises reading.BodyInvalidError where there is no such instant in UTC."""
    try:
        return sent.astimezone(dt.UTC)
    except OverflowError:
        raise reading.BodyInvalidError(
            [reading.Fault(code="instant.invalid", detail="There is no such instant.", pointer=pointer)]
        ) from None


def invalid(faults: Iterable[Fault | reading.Fault], *others: reading.Fault) -> reading.BodyInvalidError:
    """A room's faults as this door says them; of one field the first."""
    found = {each.pointer: each for each in others}
    for each in faults:
        found.setdefault(each.pointer, reading.Fault(code=each.code, detail=each.detail, pointer=each.pointer))
    return reading.BodyInvalidError(list(found.values()))
