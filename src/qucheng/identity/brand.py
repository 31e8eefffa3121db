"""A brand: its currency and time zone, its compliance policy, and how it settles."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

import msgspec

from qucheng.core import db
from qucheng.identity import tables


class Brand(msgspec.Struct, frozen=True, kw_only=True):
    """Rates in parts per million, amounts in minor units of the currency (`decimals` of them after the point)."""

    id: uuid.UUID
    code: str
    name: str
    currency: str
    decimals: int
    time_zone: str
    locale: str
    policy: str
    legal_opinion: str | None
    expires_on: dt.date | None
    max_depth: int
    max_levels: int
    max_total_rate_ppm: int
    hold_days: int
    min_payout_minor: int
    withholding: Literal["none", "cn-labor", "cn-platform"]


async def create(*, brand: Brand) -> None:
    """Stores a brand that was read from its bundle; its limits have been checked against the policy."""
    async with db.atomic(brand.id):
        await tables.Brand.insert(tables.Brand(**msgspec.structs.asdict(brand)))
