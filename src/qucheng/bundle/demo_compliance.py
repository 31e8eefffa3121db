"""Compliance in the demonstration: reports of the months that are over, texts to resellers, and a text that was refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

from qucheng.core import audit
from qucheng.network import blocklist, compliance_report, portal_text

if TYPE_CHECKING:
    import uuid

    from qucheng.identity.brand import Brand

SINCE = dt.timedelta(days=20)


async def fill(*, brand: Brand, manager: uuid.UUID, now: dt.datetime) -> None:
    """manager: who writes the texts. Where there are texts already nothing is added."""
    await compliance_report.make(brand=brand, now=now)
    if await portal_text.listing(brand_id=brand.id, most=1):
        return
    actor = audit.Actor(user_id=manager, role="manager")
    today = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    for words in _texts(today):
        await portal_text.publish(brand=brand, words=words, today=today, actor=actor)
    with contextlib.suppress(blocklist.PromiseError):
        await portal_text.publish(brand=brand, words=_refused(today), today=today, actor=actor)


def _texts(today: dt.date) -> list[portal_text.Words]:
    return [
        portal_text.Words(
            kind="help",
            title_zh="退款如何影响佣金",
            body_zh="订单退款后，相应佣金从下一张结算单中冲回。\n部分退款按退款金额的比例冲回。",
            title_en="What a refund does to commission",
            body_en="When an order is refunded, its commission is taken back on the next statement.\nOf a partial refund, its share.",
            starts_on=today - SINCE,
        ),
        portal_text.Words(
            kind="announcement",
            title_zh="年末结算安排",
            body_zh="12 月结算单于次月 10 日前发布，请在结算单页面核对并确认。",
            title_en="Statements at the end of the year",
            body_en="Statements for December are published by the 10th. Check and confirm yours on the statements page.",
            starts_on=today,
            ends_on=today + dt.timedelta(days=60),
        ),
    ]


def _refused(today: dt.date) -> portal_text.Words:
    return portal_text.Words(
        kind="announcement",
        title_zh="新品招募",
        body_zh="加入即可轻松赚大钱，日入过千。",
        title_en="New products",
        body_en="Sell them for a passive income.",
        starts_on=today,
    )
