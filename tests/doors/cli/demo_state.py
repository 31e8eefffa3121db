"""A platform that was given the demonstration, looked at from outside: by its tables as the owner, and by its file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests import books, serving

from qucheng.core import crypto, database, db, settings
from qucheng.identity import password as passwords
from qucheng.identity import user as users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qucheng.bundle import demo_file

FIGURES = {
    "brands": "SELECT array_agg(code ORDER BY code) FROM brand",
    "people": "SELECT count(*) FROM person",
    "factors": "SELECT count(*) FROM second_factor WHERE confirmed_at IS NOT NULL",
    "roles": "SELECT count(*) FROM membership WHERE revoked_at IS NULL",
    "keys": "SELECT count(*) FROM api_key WHERE revoked_at IS NULL",
    "mark": "SELECT count(finished_at) FROM demonstration",
    "lines": "SELECT count(*) FROM order_line l JOIN brand b ON b.id = l.brand_id WHERE l.paid_on < '2026-11-01' AND b.code = 'lanxi'",
    "intakes": "SELECT count(*) FROM intake WHERE NOT live",
    "desks": "SELECT array[(SELECT count(*) FROM price_version), (SELECT count(*) FROM plan_version), (SELECT count(*) FROM agreement),"
    " (SELECT count(*) FROM agreement_acceptance), (SELECT count(*) FROM application WHERE state = 'waiting'),"
    " (SELECT count(*) FROM standing_change), (SELECT count(*) FROM portal_text), (SELECT count(DISTINCT tag) FROM sku_tag)]",
    "sales": "SELECT array_agg(b.code || ' ' || s.source || ' ' || s.stock_state || ' ' || s.n ORDER BY b.code, s.source, s.stock_state) FROM brand b"
    " JOIN (SELECT brand_id, source, stock_state, count(*) AS n FROM sale GROUP BY 1, 2, 3) s ON s.brand_id = b.id",
    "claims": "SELECT array_agg(b.code || ' ' || o.code || ' ' || o.taken ORDER BY b.code, o.code) FROM claim_offer o JOIN brand b ON b.id = o.brand_id",
    "redemptions": "SELECT array_agg(b.code || ' ' || r.n || ' ' || r.undone ORDER BY b.code) FROM brand b"
    " JOIN (SELECT brand_id, count(*) AS n, count(*) FILTER (WHERE undone) AS undone FROM redemption GROUP BY 1) r ON r.brand_id = b.id",
    "statements": "SELECT array_agg(b.code || ' ' || s.period || ' ' || s.n || ' ' || s.net ORDER BY b.code, s.period) FROM brand b"
    " JOIN (SELECT brand_id, period, count(*) AS n, sum(net_minor) AS net FROM statement GROUP BY 1, 2) s ON s.brand_id = b.id",
    "allowed": "SELECT count(*) FROM approval WHERE state = 'executed' AND action = 'run.issue' AND maker <> checker",
    "runs": "SELECT array_agg(b.code || ' ' || r.period || ' ' || r.state ORDER BY b.code, r.period) FROM settlement_run r"
    " JOIN brand b ON b.id = r.brand_id",
}
WHOLE = {
    "brands": ["lanxi", "meridian"],
    "people": 28,
    "factors": 12,
    "roles": 31,
    "keys": 5,
    "mark": 1,
    "lines": 19_990,
    # the last brought a plan
    "intakes": 4,
    # of both brands: versions of prices and of the plan, agreements and who agreed, applications, the frozen, texts, tags
    "desks": [6, 2, 2, 8, 4, 2, 4, 5],
    "sales": [
        "lanxi manual delivered 6",
        "lanxi manual paid_without_stock 2",
        "lanxi page delivered 6",
        "meridian manual delivered 2",
        "meridian manual paid_without_stock 2",
        "meridian page delivered 6",
    ],
    "claims": [
        "lanxi daytime 8",
        "lanxi opening 10",
        "lanxi welcome 24",
        "meridian daytime 8",
        "meridian opening 10",
        "meridian welcome 24",
    ],
    "redemptions": ["lanxi 38 2", "meridian 38 2"],
    "statements": [
        "lanxi 2026-08-01 57 5197290",
        "lanxi 2026-09-01 59 6141048",
        "meridian 2026-08-01 10 94773",
        "meridian 2026-09-01 12 141602",
    ],
    "allowed": 4,
    "runs": [
        "lanxi 2026-08-01 issued",
        "lanxi 2026-09-01 issued",
        "lanxi 2026-10-01 computed",
        "meridian 2026-08-01 issued",
        "meridian 2026-09-01 issued",
        "meridian 2026-10-01 computed",
    ],
}


@contextlib.contextmanager
def platform(owner_url: str, var: object) -> Iterator[str]:
    """An empty database of its own, named by the environment of the block; yields the owner's address."""
    name = f"demo_{os.getpid()}_{time.monotonic_ns()}"
    serving.ask(owner_url, f"CREATE DATABASE {name}")
    url = database.with_database(owner_url, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("QUCHENG_VAR", str(var))
        yield url
    serving.drop(owner_url, name)
    serving.ask(owner_url, f"DROP ROLE IF EXISTS qucheng_app_{name}")


def figures(url: str) -> dict[str, Any]:
    return {name: serving.ask(url, query) for name, query in FIGURES.items()}


def rows(url: str) -> dict[str, str]:
    """The rows of every table, as a count and a digest."""

    async def once() -> dict[str, str]:
        async with books.connected(url) as connection:
            return await books.everything(connection)

    return asyncio.run(once())


def unusable(url: str, found: demo_file.Demo) -> list[str]:
    """The logins and keys of the file that do not open anything."""

    async def once() -> list[str]:
        current = settings.load()
        keys = crypto.keys(current.var / "keys")
        wrong = []
        async with books.connected(url) as owner:
            for each in found.people:
                fingerprint = users.login_hash(keys, each.login)
                person = await owner.fetchrow("SELECT id, password_hash FROM person WHERE login_hash = $1", fingerprint)
                sealed = await owner.fetchval("SELECT secret_cipher FROM second_factor WHERE user_id = $1", person["id"])
                secret = keys.open(sealed, place=f"second_factor/{person['id']}").decode() if sealed else None
                if secret != each.totp_secret or not await passwords.matches(each.password, person["password_hash"]):
                    wrong.append(each.login)
            for key in found.api_keys:
                standing = await owner.fetchval(
                    "SELECT count(*) FROM api_secret s JOIN api_key k ON k.brand_id = s.brand_id AND k.id = s.key"
                    " WHERE k.id::text = $1 AND s.token_hash = $2 AND k.revoked_at IS NULL AND s.ends_at IS NULL",
                    key.id,
                    crypto.token_hash(key.token),
                )
                if standing != 1:
                    wrong.append(key.name)
        return wrong

    assert db.ENGINE.current_transaction.get() is None
    return asyncio.run(once())
