"""Keys for machines in the demonstration: one of each brand, one of a reseller, and one of a till in each brand."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo_file, demo_people
from qucheng.core import audit, crypto
from qucheng.identity import api_key
from qucheng.identity import brand as brands
from qucheng.identity import user as users
from qucheng.redemption import store

if TYPE_CHECKING:
    from qucheng.core.settings import Settings

# of a terminal, by brand: for real, and for redeeming alone
TILLS: Final = {demo_people.LANXI: "岚汐门店收银", demo_people.MERIDIAN: "Meridian till"}
# of the brand, of the reseller if it is one's, name, who makes it
KEYS: Final = (
    (demo_people.LANXI, None, "岚汐对账", "owner@lanxi.example"),
    (demo_people.LANXI, "R021", "林晓岚的小店", "owner@lanxi.example"),
    (demo_people.MERIDIAN, None, "Meridian warehouse", "owner@meridian.example"),
    *((brand, None, name, f"owner@{brand}.example") for brand, name in TILLS.items()),
)
LIFE: Final = dt.timedelta(days=365)


async def add(*, settings: Settings, found: demo_file.Demo, now: dt.datetime) -> None:
    """Makes those that the file does not have. One that was made and not written down is revoked: nobody knows its secret."""
    keys = crypto.keys(settings.var / "keys")
    for code, reseller, name, owner in KEYS:
        if any((each.brand, each.name) == (code, name) for each in found.api_keys):
            continue
        brand, user_id = await brands.require(code), await users.holder(keys=keys, login=owner)
        if user_id is None:
            raise demo_file.SignInUnknownError(f"{owner} is not there.")
        actor = audit.Actor(user_id=user_id, role="owner")
        for standing in await api_key.listing(brand_id=brand.id, now=now):
            if standing.name == name and standing.revoked_at is None:
                await api_key.revoke(brand_id=brand.id, key_id=standing.id, by=user_id, actor=actor, now=now)
        till = name in TILLS.values()
        scopes = [scope.name for scope in api_key.SCOPES.values() if reseller is None or scope.reseller]
        issued = await api_key.create(
            keys=keys,
            brand_id=brand.id,
            name=name,
            mode="live",
            reseller=reseller,
            scopes=[store.SCOPE] if till else scopes,
            networks=[],
            expires_at=now + LIFE,
            bearer_orders=not till,
            created_by=user_id,
            actor=actor,
            now=now,
        )
        found.api_keys.append(
            demo_file.ApiKey(
                name=name,
                brand=code,
                reseller=reseller,
                id=str(issued.id),
                token=issued.token,
                signing_secret=issued.signing_secret,
            )
        )
        demo_file.write(settings, found)
