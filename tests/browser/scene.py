"""The platform that the browser is shown: brands with people of every role, made by the rooms, and the product beside it as processes."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import pyotp
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, clock, db
from qucheng.identity import brand as brands
from qucheng.identity import membership as memberships
from qucheng.identity import permissions, second_factor
from qucheng.identity import user as users
from qucheng.settlement import run

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto

SHANGHAI = ZoneInfo("Asia/Shanghai")
STEP_SECONDS = 30
RESELLERS = (
    ("D01", "星河数娱科技", "company", ""),
    ("D02", "林小满", "individual", "D01"),
    ("D03", "青禾会员商行", "company", ""),
    ("D04", "周望舒", "individual", ""),
)
SKUS = (
    ("video-month", "视频会员月卡", "video", "25.00", "15.00"),
    ("music-year", "音乐会员年卡", "music", "128.00", "88.00"),
    ("meal-50", "50 元餐饮券", "meal", "50.00", "42.00"),
)
STAFF: tuple[permissions.Role, ...] = ("owner", "manager", "accountant", "auditor", "support")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    login: str
    role: permissions.Role
    reseller: str | None = None
    secret: str | None = None


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """A brand and its people. months: the ended ones of its sales, the last of which is not settled."""

    brand: brands.Brand
    months: tuple[dt.date, ...]
    accounts: tuple[Account, ...]

    def account(self, role: permissions.Role, number: int = 0) -> Account:
        return [account for account in self.accounts if account.role == role][number]


@dataclass
class Codes:
    """Each step's code is taken once: who needs another takes that of the next step, which is taken too, or waits."""

    used: dict[str, int] = field(default_factory=dict)

    async def code(self, secret: str) -> str:
        while True:
            now = int(time.time()) // STEP_SECONDS
            step = max(now, self.used.get(secret, 0) + 1)
            if step <= now + 1:
                self.used[secret] = step
                return pyotp.TOTP(secret).generate_otp(step)
            await asyncio.sleep(1)


def months_before(today: dt.date, count: int) -> tuple[dt.date, ...]:
    found = [today.replace(day=1)]
    while len(found) <= count:
        found.append((found[-1] - dt.timedelta(days=1)).replace(day=1))
    return tuple(reversed(found[1:]))


async def staged(
    folder: Path,
    owner: asyncpg.Connection,
    keys: crypto.Keys,
    *,
    code: str,
    name: str,
    months: int = 3,
    settled: int | None = None,
) -> Cast:
    """settled: how many months have been; all but the last where nothing is said."""
    now = clock.now()
    ended = months_before(now.astimezone(SHANGHAI).date(), months)
    bundle = books.write(
        folder,
        code=code,
        compliance=books.INTL,
        settlement="hold_days = 3",
        tiers=["gold,金牌,1", "base,普通,2"],
        channels=["web,网店,agency", "store,门店,agency"],
        resellers=[f"{reseller},{called},{kind},,gold,{ended[0]},{reseller.lower()}" for reseller, called, kind, _ in RESELLERS],
        placements=[f"{reseller},{above},gold,{ended[0]}" for reseller, _, _, above in RESELLERS],
        skus=[",".join(sku) for sku in SKUS],
        rules=[
            "BASE,percent,1,,,,gold,net,0.08,0,,",
            "VIDEO,percent,1,,video,,gold,net,0.12,10,,",
            "UP,percent,2,,,,gold,net,0.02,0,,",
        ],
        **_sales(random.Random(code), ended, now),
    )
    text = (bundle / "brand.toml").read_text(encoding="utf-8")
    (bundle / "brand.toml").write_text(text.replace(f'name = "{code}"', f'name = "{name}"'), encoding="utf-8")
    brand = await books.found(bundle)
    await books.take_in(brand, bundle)
    for month in ended[: months - 1 if settled is None else settled]:
        await settle(brand, month, now)
    accounts = [await account(owner, keys, brand.id, code, role) for role in (*STAFF, "owner", "accountant")]
    accounts += [
        await account(owner, keys, brand.id, code, role, reseller)
        for reseller in ("D01", "D02")
        for role in permissions.RESELLER_ROLES
    ]
    return Cast(brand=brand, months=ended, accounts=tuple(accounts))


def _sales(chance: random.Random, ended: tuple[dt.date, ...], now: dt.datetime) -> dict[str, list[str]]:
    """Some thirty orders a month and some since; every ninth is given back."""
    orders, refunds = [], []
    this_month = now.astimezone(SHANGHAI).date().replace(day=1)
    for month in (*ended, this_month):
        for number in range(32):
            at = dt.datetime.combine(month, dt.time(9)) + dt.timedelta(days=chance.randrange(27), minutes=chance.randrange(600))
            if at.replace(tzinfo=SHANGHAI) > now - dt.timedelta(hours=2):
                continue
            (reseller, *_), (sku, _, _, price, _) = chance.choice(RESELLERS), chance.choice(SKUS)
            order = f"S{month:%y%m}{number:03}"
            orders.append(
                f"{order},1,{at.isoformat()},{reseller},{chance.choice(('web', 'store'))},{sku},1,{price},,b{chance.randrange(90)}"
            )
            if number % 9 == 0:
                refunds.append(f"T{order},{order},1,{(at + dt.timedelta(hours=1)).isoformat()},1,{price}")
    return {"orders": orders, "refunds": refunds}


async def settle(brand: brands.Brand, month: dt.date, now: dt.datetime) -> None:
    made = await run.compute(brand=brand, starts_on=month, now=now)
    assert made is not None, month
    await run.issue_batch(brand=brand, run=made, now=now)


async def account(
    owner: asyncpg.Connection,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    code: str,
    role: permissions.Role,
    reseller: str | None = None,
) -> Account:
    """A new person, who has a second factor where the role is a strict one."""
    mark = uuid.uuid4().hex[:6]
    login = f"{role}-{reseller or code}-{mark}@example.com".lower()
    async with db.atomic():
        made = await users.insert(
            keys=keys, login=login, name=NAMES[role], locale="zh-CN", password_hash=people.quick_hash(), now=clock.now()
        )
    await memberships.grant(
        brand_id=brand_id, user_id=made.id, role=role, reseller=reseller, granted_by=None, actor=audit.SYSTEM, now=clock.now()
    )
    secret = await enrolled(owner, keys, made.id) if role in permissions.STRICT_ROLES else None
    return Account(login=login, role=role, reseller=reseller, secret=secret)


NAMES: dict[permissions.Role, str] = {
    "operator": "顾临川",
    "owner": "沈嘉禾",
    "manager": "许知远",
    "accountant": "陆会明",
    "auditor": "方审之",
    "support": "苏晓",
    "clerk": "周小满",
    "admin": "林小满",
    "seller": "周望舒",
}


async def enrolled(owner: asyncpg.Connection, keys: crypto.Keys, user_id: uuid.UUID) -> str:
    begun = await second_factor.begin(keys=keys, user_id=user_id, login="somebody")
    await owner.execute("UPDATE second_factor SET confirmed_at = now() WHERE user_id = $1", user_id)
    return begun.secret
