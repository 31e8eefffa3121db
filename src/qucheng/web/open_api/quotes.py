"""Quotes for programs."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

from litestar import Request, Response, get

from qucheng.catalog import quote
from qucheng.core import clock, money
from qucheng.web import guards, machines
from qucheng.web.open_api import operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

QUOTE = Operation(
    tag=n_("Prices"),
    summary=n_("A quote"),
    about=n_("What one unit costs the consumer in a channel, where the price comes from, and the next one. Nothing is reserved."),
    query=shapes.QuoteAsked,
    reply=shapes.Quote,
    refusals=(404, 409),
)
FIRST, LAST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
NO_INSTANT = reading.Fault(
    code="instant.invalid", detail="There is no such instant, or none for which there are prices.", parameter="at"
)
MISSING = reading.Fault(code="missing", detail="This is needed.", parameter="reseller")


@get("/api/v1/quotes", opt=guards.api("prices.read", operation=QUOTE))
async def quotes(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.QuoteAsked), machines.caller(request)
    reseller = asked.reseller or caller.reseller
    if reseller is None:
        raise reading.QueryInvalidError([MISSING])
    if caller.reseller not in (None, reseller):
        raise operations.ObjectUnknownError("There is no such reseller.")
    found = await quote.resolve(
        brand_id=caller.brand_id,
        sku=asked.sku,
        channel=asked.channel,
        reseller=reseller,
        quantity=asked.quantity,
        at=_utc(asked.at) if asked.at else clock.now(),
        as_reseller=caller.reseller is not None,
    )
    return operations.answer(request, _quote(found))


def _utc(asked: dt.datetime) -> dt.datetime:
    """Offsets may lead out of all years, and so may the brand's own. Raises QueryInvalidError."""
    with contextlib.suppress(OverflowError):
        instant = asked.astimezone(dt.UTC)
        if FIRST <= instant < LAST:
            return instant
    raise reading.QueryInvalidError([NO_INSTANT])


def _quote(found: quote.Quote) -> shapes.Quote:
    following = None
    if found.next_on is not None and found.next_at is not None:
        unit = None if found.next_minor is None else _money(found, found.next_minor)
        following = shapes.NextPrice(unit=unit, at=found.next_at, on=found.next_on)
    return shapes.Quote(
        sku=found.sku,
        channel=found.channel,
        reseller=found.reseller,
        tier=found.tier,
        quantity=found.quantity,
        at=found.at,
        unit=_money(found, found.unit_minor),
        gross=_money(found, found.gross_minor),
        version=found.version,
        level=found.level,
        starts_on=found.starts_on,
        ends_on=found.ends_on,
        next=following,
    )


def _money(found: quote.Quote, minor: int) -> shapes.Money:
    return shapes.Money(amount=money.format_plain(minor, found.decimals), currency=found.currency)
