"""An agreement, applications to it, and people who decide them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, clock
from qucheng.network import admission, agreement, application, application_form

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

NOW = books.NOW
DAY = dt.date(2026, 11, 22)
NUMBER, OTHER_NUMBER = "11010519491231002X", "91350100M000100Y43"
APPLICANT = audit.Actor(user_id=None, role="applicant", network="198.51.100.0/24")
TEXTS = {
    "title_zh": "分销协议",
    "text_zh": "第一条\n加入免费。",
    "title_en": "Reseller agreement",
    "text_en": "1\nJoining is free.",
}


async def agreed(
    brand: Brand, *, actor: audit.Actor = audit.SYSTEM, effective_on: dt.date = DAY, **changes: str
) -> agreement.Agreement:
    """A new version, in force on DAY."""
    await agreement.publish(brand_id=brand.id, **{**TEXTS, **changes}, effective_on=effective_on, day=DAY, actor=actor, now=NOW)
    found = await agreement.in_force(brand_id=brand.id, day=effective_on)
    assert found is not None
    return found


async def agreed_on(brand: Brand, day: dt.date) -> None:
    """A version that is in force from today on, whatever today is."""
    await agreement.publish(brand_id=brand.id, **TEXTS, effective_on=day, day=day, actor=audit.SYSTEM, now=clock.now())


def form(current: agreement.Agreement, **changes: Any) -> application_form.Form:
    return application_form.Form(
        **{
            "kind": "individual",
            "name": "小店",
            "legal_name": "张三",
            "document": "cn-id",
            "number": NUMBER,
            "contact_name": "张三",
            "email": "zhang@example.com",
            "phone": "+86 138 0000 0000",
            "channels": ("web",),
            "agreement": current.number,
            "agreement_sha256": current.sha256,
            "agreed": True,
            **changes,
        }
    )


async def applied(keys: crypto.Keys, brand: Brand, current: agreement.Agreement, **changes: Any) -> uuid.UUID:
    return await application.submit(
        keys=keys,
        brand=brand,
        form=form(current, **changes),
        address="198.51.100.7",
        locale="zh-CN",
        day=DAY,
        actor=APPLICANT,
        now=NOW,
    )


def chosen(code: str, **changes: Any) -> admission.Chosen:
    plain = admission.Chosen(code=code, name="小店", tier="gold", parent=None, joined_on=DAY, channels=("web",))
    return msgspec.structs.replace(plain, **changes)


async def approved(
    keys: crypto.Keys, brand: Brand, who: permissions.Principal, application_id: uuid.UUID, wanted: admission.Chosen
) -> None:
    await admission.approve(
        keys=keys,
        principal=who,
        brand=brand,
        application_id=application_id,
        chosen=wanted,
        day=DAY,
        actor=people.actor(who),
        now=NOW,
    )
