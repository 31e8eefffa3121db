"""What a brand lets its resellers sell by hand, and who takes money for it online."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import datetime as dt
    import uuid

Manual = Literal["off", "paid"]
Provider = Literal["null", "simulator"]
MOST = 10**15


class SettingInvalidError(errors.RefusedError):
    code: ClassVar[str] = "sales_setting.invalid"
    status: ClassVar[int] = 422


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """manual_sale paid: the reseller has collected the money, and the order counts as paid at once.

    manual_daily_minor: at most so much a day of each reseller; None: as much as it sells.
    """

    manual_sale: Manual = "off"
    manual_daily_minor: int | None = None
    provider: Provider = "null"


async def read(*, brand_id: uuid.UUID, reseller: str | None = None) -> Setting:
    """reseller: with its own rights. A brand that has set nothing sells nothing by hand, and takes no money online."""
    async with db.atomic(brand_id, reseller=reseller):
        row = await db.connection().fetchrow("SELECT manual_sale, manual_daily_minor, provider FROM sales_setting")
    return Setting(**dict(row)) if row is not None else Setting()


async def change(*, brand_id: uuid.UUID, setting: Setting, production: bool, actor: audit.Actor, now: dt.datetime) -> None:
    """Raises SettingInvalidError for an amount that is none, and in production for the simulator."""
    if setting.manual_daily_minor is not None and not 0 < setting.manual_daily_minor < MOST:
        raise SettingInvalidError("The amount of a day is more than nothing.")
    if production and setting.provider == "simulator":
        raise SettingInvalidError("The simulator takes no money: it is for trials only.")
    async with db.atomic(brand_id):
        before = await read(brand_id=brand_id)
        await db.connection().execute(
            "INSERT INTO sales_setting (brand_id, manual_sale, manual_daily_minor, provider, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT (brand_id) DO UPDATE SET manual_sale = excluded.manual_sale, manual_daily_minor = excluded.manual_daily_minor,"
            " provider = excluded.provider, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
            brand_id,
            setting.manual_sale,
            setting.manual_daily_minor,
            setting.provider,
            now,
            actor.user_id,
        )
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="sales_setting.change",
            subject=str(brand_id),
            before=msgspec.structs.asdict(before),
            after=msgspec.structs.asdict(setting),
        )
