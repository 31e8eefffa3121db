"""Who the demonstration is played by: people of every role in both brands, and one who has several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from qucheng.core import ids
from qucheng.identity import permissions
from qucheng.identity import user as users

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

LANXI, MERIDIAN = "lanxi", "meridian"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A role in a brand or in one of its resellers. brand: None on the platform."""

    brand: str | None
    role: permissions.Role
    reseller: str | None = None


class Player(msgspec.Struct, frozen=True, kw_only=True):
    login: str
    name: str
    locale: Literal["zh-CN", "en"]
    parts: tuple[Part, ...]


def _of(brand: str, locale: Literal["zh-CN", "en"], *people: tuple[str, str, permissions.Role, str | None]) -> tuple[Player, ...]:
    return tuple(
        Player(
            login=f"{login}@{brand}.example",
            name=name,
            locale=locale,
            parts=(Part(brand=brand, role=role, reseller=reseller),),
        )
        for login, name, role, reseller in people
    )


PLAYERS: Final = (
    Player(
        login="operator@qucheng.example",
        name="顾行舟",
        locale="zh-CN",
        parts=(Part(brand=None, role="operator"),),
    ),
    *_of(
        LANXI,
        "zh-CN",
        ("owner", "沈知夏", "owner", None),
        ("owner2", "陆怀安", "owner", None),
        ("manager", "白鹿鸣", "manager", None),
        ("accountant", "贺书言", "accountant", None),
        ("accountant2", "严一清", "accountant", None),
        ("auditor", "秦正", "auditor", None),
        ("support", "夏小禾", "support", None),
        ("clerk", "姜小满", "clerk", None),
        ("clerk2", "何川", "clerk", None),
        # the parent, two of those below it, and somebody without a company
        ("r001", "程澄", "admin", "R001"),
        ("r001.seller", "叶青", "seller", "R001"),
        ("r043", "程青", "admin", "R043"),
        ("r044", "吴晚", "admin", "R044"),
        ("r021", "林晓岚", "admin", "R021"),
    ),
    *_of(
        MERIDIAN,
        "en",
        ("owner", "Helen Chua", "owner", None),
        ("owner2", "Arjun Nair", "owner", None),
        ("manager", "Grace Lim", "manager", None),
        ("accountant", "Farah Ismail", "accountant", None),
        ("accountant2", "Kelvin Ho", "accountant", None),
        ("auditor", "Siti Aziz", "auditor", None),
        ("support", "Ben Teo", "support", None),
        ("clerk", "Mei Tan", "clerk", None),
        ("m01", "Sharon Goh", "admin", "M01"),
        ("m01.seller", "Nurul Huda", "seller", "M01"),
        ("m05", "Victor Yeo", "admin", "M05"),
        ("m06", "Aisha Rahman", "admin", "M06"),
    ),
    Player(
        login="several@qucheng.example",
        name="江流",
        locale="zh-CN",
        parts=(
            Part(brand=LANXI, role="auditor"),
            Part(brand=MERIDIAN, role="accountant"),
            Part(brand=LANXI, role="admin", reseller="R002"),
            Part(brand=LANXI, role="seller", reseller="R021"),
        ),
    ),
)


async def principal(
    *, keys: crypto.Keys, brand: Brand, role: permissions.Role, now: dt.datetime, name: str | None = None
) -> permissions.Principal:
    """One of the brand's own people in a session that has given everything. name: of the sign-in, where it is not the role."""
    login = f"{name or role}@{brand.code}.example"
    user_id = await users.holder(keys=keys, login=login)
    if user_id is None:
        raise users.UserUnknownError(f"{login} is not there.")
    return permissions.Principal(
        user_id=user_id,
        session_id=ids.new_id(),
        brand_id=brand.id,
        reseller=None,
        role=role,
        permissions=permissions.given(role, enrolled=True, second_factor=True),
        second_factor_at=now,
    )
