"""Stores, the terminals that stand in them, and the rules of a SKU."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids

if TYPE_CHECKING:
    from collections.abc import Collection

    from qucheng.identity import permissions
    from qucheng.redemption import rules

SCOPE = "cards.redeem"
ROLE: permissions.Role = "clerk"
TERMINAL = """
    SELECT t.id, t.name, t.store, s.name AS store_name, s.area, t.all_skus, s.closed_at IS NOT NULL AS closed,
        t.digits_closed_until, t.codes_closed_until
    FROM terminal t JOIN store s ON s.brand_id = t.brand_id AND s.code = t.store
    WHERE t.ended_at IS NULL AND """
BY_KEY = "t.api_key = $1"
BY_CLERK = (
    "t.user_id = $1 AND EXISTS (SELECT 1 FROM membership m WHERE m.brand_id = t.brand_id AND m.user_id = t.user_id"
    f" AND m.role = '{ROLE}' AND m.revoked_at IS NULL)"
)


class StoreUnknownError(errors.RefusedError):
    code: ClassVar[str] = "store.unknown"
    status: ClassVar[int] = 404


class StoreTakenError(errors.RefusedError):
    code: ClassVar[str] = "store.taken"


class TerminalUnfitError(errors.RefusedError):
    """The key is not a live one of the brand for this, the person no shop clerk, or another terminal has it; or there is no such SKU."""

    code: ClassVar[str] = "terminal.unfit"
    status: ClassVar[int] = 422


class TerminalUnknownError(errors.RefusedError):
    code: ClassVar[str] = "terminal.unknown"
    status: ClassVar[int] = 404


class SkuUnknownError(errors.RefusedError):
    code: ClassVar[str] = "sku.unknown"
    status: ClassVar[int] = 404


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    id: uuid.UUID
    name: str
    store: str
    store_name: str
    area: str | None
    all_skus: bool
    closed: bool
    digits_closed_until: dt.datetime | None
    codes_closed_until: dt.datetime | None


async def open_store(
    *,
    brand_id: uuid.UUID,
    code: str,
    name: str,
    name_en: str | None = None,
    area: str | None = None,
    address: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    async with db.atomic(brand_id):
        done = await db.connection().execute(
            "INSERT INTO store (brand_id, code, name, name_en, area, address, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
            " ON CONFLICT DO NOTHING",
            *(brand_id, code, name, name_en, area, address, now),
        )
        if done != "INSERT 0 1":
            raise StoreTakenError("There is a store of that code already.")
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="store.open",
            subject=code,
            after={"name": name, "area": area, "address": address},
        )


async def close_store(*, brand_id: uuid.UUID, code: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Nothing is redeemed there any more."""
    async with db.atomic(brand_id):
        done = await db.connection().execute("UPDATE store SET closed_at = $2 WHERE code = $1 AND closed_at IS NULL", code, now)
        if done != "UPDATE 1":
            raise StoreUnknownError("There is no open store of that code.")
        await audit.record(brand_id=brand_id, actor=actor, action="store.close", subject=code)


async def add_terminal(
    *,
    brand_id: uuid.UUID,
    store: str,
    name: str,
    api_key: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    skus: Collection[str] | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """For a program, by its key, or for a shop clerk, who signs in: one of the two.

    skus: what it may redeem; None for whatever there is. A key is one of the whole brand, and for nothing that is tried only.
    """
    made = ids.new_id()
    async with db.atomic(brand_id):
        await _require_fit(brand_id, api_key, user_id)
        try:
            async with db.atomic():
                await db.connection().execute(
                    "INSERT INTO terminal (brand_id, id, store, name, api_key, user_id, all_skus, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    *(brand_id, made, store, name, api_key, user_id, skus is None, now),
                )
                await db.connection().execute(
                    "INSERT INTO terminal_sku (brand_id, terminal, sku) SELECT $1, $2, sku FROM unnest($3::text[]) t (sku)",
                    *(brand_id, made, sorted(set(skus or ()))),
                )
        except asyncpg.UniqueViolationError:
            raise TerminalUnfitError("Another terminal has this key or person.") from None
        except asyncpg.ForeignKeyViolationError as violation:
            if violation.constraint_name == "terminal_store_reference":
                raise StoreUnknownError("There is no such store.") from None
            raise TerminalUnfitError("There is no such SKU.") from None
        whose = {"api_key": str(api_key)} if api_key is not None else {"user": str(user_id)}
        after = {"store": store, "name": name, **whose, "skus": sorted(skus) if skus is not None else None}
        await audit.record(brand_id=brand_id, actor=actor, action="terminal.add", subject=str(made), after=after)
    return made


async def _require_fit(brand_id: uuid.UUID, api_key: uuid.UUID | None, user_id: uuid.UUID | None) -> None:
    if (api_key is None) == (user_id is None):
        raise TerminalUnfitError("A terminal is a program's or a person's.")
    if user_id is not None:
        if await db.connection().fetchval("SELECT hold_role($1, $2, $3)", user_id, brand_id, [ROLE]) is None:
            raise TerminalUnfitError("The person is no shop clerk of the brand.")
        return
    scopes = await db.connection().fetchval(
        "SELECT scopes FROM api_key WHERE id = $1 AND mode = 'live' AND reseller IS NULL AND revoked_at IS NULL", api_key
    )
    if SCOPE not in (scopes or "").split():
        raise TerminalUnfitError(f"A terminal has a live key of the brand that is for {SCOPE}.")


async def end_terminal(*, brand_id: uuid.UUID, terminal: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """From the next request on nothing is redeemed at it."""
    async with db.atomic(brand_id):
        done = await db.connection().execute(
            "UPDATE terminal SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", terminal, now
        )
        if done != "UPDATE 1":
            raise TerminalUnknownError("There is no such terminal.")
        await audit.record(brand_id=brand_id, actor=actor, action="terminal.end", subject=str(terminal))


async def terminal_of(
    *, brand_id: uuid.UUID, api_key: uuid.UUID | None = None, user_id: uuid.UUID | None = None
) -> Terminal | None:
    """Of a key, or of somebody who is a shop clerk now; None for who has none."""
    by, value = (BY_KEY, api_key) if api_key is not None else (BY_CLERK, user_id)
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(TERMINAL + by, value)
    return Terminal(**dict(row)) if row is not None else None


async def set_rule(*, brand_id: uuid.UUID, sku: str, rule: rules.Rule, actor: audit.Actor, now: dt.datetime) -> int:
    """The next version, in force from now on. Returns its number."""
    document = msgspec.json.encode(rule).decode()
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, $2)", brand_id, f"redemption_rule/{sku}")
        if not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM sku WHERE code = $1)", sku):
            raise SkuUnknownError("There is no such SKU.")
        version: int = await db.connection().fetchval(
            "INSERT INTO redemption_rule (brand_id, sku, version, document, made_at)"
            " SELECT $1, $2, coalesce(max(version), 0) + 1, $3::jsonb, $4 FROM redemption_rule WHERE sku = $2 RETURNING version",
            *(brand_id, sku, document, now),
        )
        after = {"version": version, **msgspec.to_builtins(rule)}
        await audit.record(brand_id=brand_id, actor=actor, action="redemption_rule.set", subject=sku, after=after)
    return version
