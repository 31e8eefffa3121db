"""Payments that nobody says anything about are asked for, and money that goes back is sent: between two transactions, never in one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from qucheng.connectors import payment as providers
from qucheng.core import audit, clock, crypto, payment_port
from qucheng.identity import brand as brands
from qucheng.orders import payment, payment_refund

if TYPE_CHECKING:
    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand

FOLLOW = "payments.follow"
QUIET = dt.timedelta(minutes=1)
MOST = 100
ACTOR = audit.Actor(user_id=None, role="payments")


async def follow(current: Settings) -> None:
    keys = crypto.keys(current.var / "keys")
    for brand_id, _code in await brands.every():
        now = clock.now()
        doubtful = await payment.in_doubt(brand_id=brand_id, before=now - QUIET, most=MOST)
        returning = await payment_refund.open_ones(brand_id=brand_id, now=now, most=MOST)
        if not doubtful and not returning:
            continue
        brand = await brands.read(brand_id)
        for each in doubtful:
            await ask(
                brand, each, providers.chosen(each.provider, var=current.var, keys=keys, production=current.production), keys
            )
        for back in returning:
            await give_back(
                brand, back, providers.chosen(back.provider, var=current.var, keys=keys, production=current.production)
            )


async def ask(brand: Brand, doubtful: payment.Payment, port: payment_port.Port, keys: crypto.Keys) -> None:
    """An answer that does not come leaves everything as it is: it is asked for again."""
    try:
        answer = await port.query(doubtful.id)
    except (payment_port.UnreachableError, OSError):
        return
    await payment.found(brand=brand, payment=doubtful.id, answer=answer, keys=keys, actor=ACTOR, now=clock.now())


async def give_back(brand: Brand, back: payment_refund.Refund, port: payment_port.Port) -> None:
    """What was sent before is asked for first, and sent again only under the same number."""
    answer: payment_port.RefundState = "unknown"
    if not await payment_refund.sending(brand_id=brand.id, refund=back, now=clock.now()):
        return
    try:
        if back.state == "sent":
            answer = await port.query_refund(back.payment, number=back.id)
        if answer == "unknown":
            answer = await port.refund(back.payment, number=back.id, amount_minor=back.amount_minor)
    except (payment_port.UnreachableError, OSError):
        return
    await payment_refund.told(brand_id=brand.id, refund=back, answer=answer, actor=ACTOR, now=clock.now())
