"""The network's desk of the demonstration: an agreement that people agree to, two who have applied, and a reseller that is frozen."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from qucheng.core import audit
from qucheng.identity import membership as memberships
from qucheng.network import agreement, application, application_form, queries, standing

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

ADDRESS = "198.51.100.7"
TEXTS = {
    "title_zh": "分销合作协议",
    "title_en": "Reseller agreement",
    "text_zh": (
        "一、加入和退出都不收费，不需要购买任何商品，也不交押金。\n"
        "二、佣金只来自实际售出的订单。介绍他人加入没有报酬。\n"
        "三、商品由品牌方供应，按公布的渠道价销售，不作收入承诺。\n"
        "四、退款会冲回相应的佣金。每月出具结算单，有异议可在结算单上提出。\n"
        "五、账户可随时关闭，应得款项照常结算。"
    ),
    "text_en": (
        "1. Joining and leaving cost nothing. There is nothing to buy, and no deposit.\n"
        "2. Commission comes from orders that were sold, and from nothing else. Nobody is paid for bringing somebody in.\n"
        "3. Goods come from the brand and are sold at the published channel prices. No income is promised.\n"
        "4. A refund takes its commission back. A statement is made every month, and can be disputed on the statement itself.\n"
        "5. An account can be closed at any time. What it is owed is settled as before."
    ),
}
# the numbers are the examples that the standards print
APPLICANTS = (
    application_form.Form(
        kind="individual",
        name="南窗小店",
        legal_name="宋知微",
        document="cn-id",
        number="11010519491231002X",
        contact_name="宋知微",
        email="songzhiwei@applicant.example",
        phone="138 0000 0101",
    ),
    application_form.Form(
        kind="company",
        name="北岸数字商行",
        legal_name="北岸数字商行有限公司",
        document="cn-uscc",
        number="91350100M000100Y43",
        contact_name="纪明川",
        email="jimingchuan@applicant.example",
        phone="138 0000 0102",
    ),
)


async def fill(*, keys: crypto.Keys, brand: Brand, now: dt.datetime) -> None:
    """Its people are there already. What is there of it is left as it is."""
    day = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    people = await memberships.listing(brand_id=brand.id)
    manager = next(each for each in people if each.role == "manager")
    desk = audit.Actor(user_id=manager.user_id, role="manager")
    if not await agreement.listing(brand_id=brand.id):
        await agreement.publish(brand_id=brand.id, **TEXTS, effective_on=day, day=day, actor=desk, now=now)
    current = await agreement.in_force(brand_id=brand.id, day=day)
    assert current is not None  # noqa: S101 - published above
    await _agree(brand, current, people, day, now)
    await _apply(keys, brand, current, day, now)
    await _freeze(brand, people, desk, day, now)


async def _agree(
    brand: Brand, current: agreement.Agreement, people: list[memberships.Entry], day: dt.date, now: dt.datetime
) -> None:
    """Every reseller that has somebody to agree for it."""
    for each in people:
        if each.role != "admin" or each.reseller is None:
            continue
        if not await agreement.accepted(brand_id=brand.id, reseller=each.reseller):
            await agreement.accept(
                brand_id=brand.id,
                reseller=each.reseller,
                number=current.number,
                sha256=current.sha256,
                address=ADDRESS,
                day=day,
                actor=audit.Actor(user_id=each.user_id, role="admin"),
                now=now,
            )


async def _apply(keys: crypto.Keys, brand: Brand, current: agreement.Agreement, day: dt.date, now: dt.datetime) -> None:
    # a start that was killed between two of them goes on with the next
    waiting = await application.listing(brand_id=brand.id, states=("waiting",))
    channels = tuple(code for code, _ in (await application.channels_of(brand.id))[:2])
    for form in APPLICANTS[len(waiting) :]:
        await application.submit(
            keys=keys,
            brand=brand,
            form=application_form.agreed(form, channels=channels, number=current.number, sha256=current.sha256),
            address=ADDRESS,
            locale="en" if brand.locale == "en" else "zh-CN",
            day=day,
            actor=audit.Actor(user_id=None, role="applicant"),
            now=now,
        )


async def _freeze(brand: Brand, people: list[memberships.Entry], desk: audit.Actor, day: dt.date, now: dt.datetime) -> None:
    """The last of those who have nobody here."""
    known = {each.reseller for each in people}
    found = await queries.listing(brand_id=brand.id, chosen=queries.Chosen(day=day), size=queries.MOST)
    alone = [row.code for row in found.rows if row.code not in known and row.depth is not None]
    if alone and not await standing.history(brand_id=brand.id, reseller=alone[-1]):
        reason = "Orders are being looked into." if brand.locale == "en" else "正在核对近期订单。"
        await standing.freeze(brand_id=brand.id, reseller=alone[-1], reason=reason, day=day, actor=desk, now=now)
