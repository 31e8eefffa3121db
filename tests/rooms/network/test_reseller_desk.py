"""Where a reseller may sell by date, whether its papers were seen, and the list with its filters and its file."""

from __future__ import annotations

import csv
import datetime as dt
from typing import TYPE_CHECKING, Literal

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import crypto, db
from qucheng.network import identity_facts, queries, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

D = desk.DAY


def after(days: int) -> dt.date:
    return D + dt.timedelta(days=days)


async def sell_in(brand: Brand, who: permissions.Principal, reseller: str, channels: tuple[str, ...], from_on: dt.date) -> None:
    await resellers.set_channels(
        brand_id=brand.id, reseller=reseller, channels=channels, from_on=from_on, day=D, actor=people.actor(who)
    )


async def sells(brand: Brand, reseller: str, day: dt.date) -> set[str]:
    return {row[0] for row in await books.seen(brand, "SELECT code FROM channel WHERE may_sell($1, code, $2)", reseller, day)}


async def test_channels_change_from_a_day_on_and_the_past_stays(brand: Brand, manager: permissions.Principal) -> None:
    assert await sells(brand, "R3", D) == {"web", "shop"}
    await sell_in(brand, manager, "R3", ("web",), after(5))
    assert [await sells(brand, "R3", day) for day in (dt.date(2026, 1, 1), D, after(4), after(5), after(99))] == [
        {"web", "shop"}, {"web", "shop"}, {"web", "shop"}, {"web"}, {"web"},
    ]  # fmt: skip
    planned = {
        each.code: (each.open, each.until, each.from_on)
        for each in await queries.channels(brand_id=brand.id, reseller="R3", day=D)
    }
    assert planned == {"web": (True, after(5), after(5)), "shop": (True, after(5), None)}
    await sell_in(brand, manager, "R3", ("shop",), after(2))
    assert [await sells(brand, "R3", day) for day in (after(1), after(2), after(5), after(99))] == [
        {"web", "shop"}, {"shop"}, {"shop"}, {"shop"},
    ]  # fmt: skip
    await sell_in(brand, manager, "R3", ("shop", "web"), after(2))
    assert [await sells(brand, "R3", day) for day in (after(1), after(2), after(99))] == [{"web", "shop"}] * 3
    assert await sells(brand, "R1", D) == {"web", "shop"}


async def test_the_change_of_channels_is_on_record(brand: Brand, manager: permissions.Principal) -> None:
    await sell_in(brand, manager, "R3", ("web",), D)
    await sell_in(brand, manager, "R3", ("shop",), D)
    trail = "SELECT user_id, before::text, after::text FROM audit_record WHERE action = 'reseller.channels' ORDER BY id"
    assert await books.seen(brand, trail) == [
        (manager.user_id, '{"channels": null}', '{"from_on": "2026-11-22", "channels": ["web"]}'),
        (manager.user_id, '{"channels": ["web"]}', '{"from_on": "2026-11-22", "channels": ["shop"]}'),
    ]


@pytest.mark.parametrize(
    ("reseller", "channels", "from_on", "field"),
    [
        ("R3", (), D, "channels"),
        ("R3", ("web", "none"), D, "channels"),
        ("R3", ("web",), after(-1), "from_on"),
        ("nobody", ("web",), D, None),
    ],
)
async def test_channels_that_cannot_be_are_refused(
    owner: asyncpg.Connection,
    brand: Brand,
    manager: permissions.Principal,
    reseller: str,
    channels: tuple[str, ...],
    from_on: dt.date,
    field: str | None,
) -> None:
    before = await books.everything(owner)
    with pytest.raises((resellers.ResellerUnfitError, resellers.ResellerUnknownError)) as refusal:
        await sell_in(brand, manager, reseller, channels, from_on)
    assert getattr(refusal.value, "field", None) == field
    assert await books.everything(owner) == before


async def verify(brand: Brand, who: permissions.Principal, outcome: Literal["verified", "failed"], **changes: object) -> None:
    given = {"method": "document", "reference": "档案 7", "expires_on": None, **changes}
    await identity_facts.verify(
        brand_id=brand.id,
        reseller="R2",
        outcome=outcome,
        day=D,
        actor=people.actor(who),
        now=desk.NOW,
        **given,  # type: ignore[arg-type]
    )


async def test_the_last_look_at_the_papers_counts_until_it_expires(brand: Brand, manager: permissions.Principal) -> None:
    async def state(day: dt.date) -> str:
        return (await identity_facts.verification(brand_id=brand.id, reseller="R2", day=day, own=True)).state

    assert await state(D) == "unverified"
    await verify(brand, manager, "verified", expires_on=after(30))
    assert [await state(day) for day in (D, after(29), after(30))] == ["verified", "verified", "expired"]
    await verify(brand, manager, "failed", method="video")
    assert await state(D) == "failed"
    listed = [
        (each.number, each.outcome, each.method, each.verified_by)
        for each in await identity_facts.history(brand_id=brand.id, reseller="R2")
    ]
    assert listed == [(2, "failed", "video", manager.user_id), (1, "verified", "document", manager.user_id)]
    async with db.atomic(brand.id, reseller="R1"):
        assert await db.connection().fetchval("SELECT count(number) FROM identity_verification") == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"method": "smell"}, "method"), ({"reference": "x" * 81}, "reference"), ({"expires_on": D}, "expires_on")],
)
async def test_a_verification_that_cannot_be_is_refused(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal, changes: dict[str, object], field: str
) -> None:
    before = await books.everything(owner)
    with pytest.raises(identity_facts.VerificationUnfitError) as refusal:
        await verify(brand, manager, "verified", **changes)
    assert refusal.value.field == field
    assert await books.everything(owner) == before


async def test_who_was_never_asked_who_they_are_has_no_facts(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal, tmp_path: Path
) -> None:
    before = await books.everything(owner)
    with pytest.raises(identity_facts.FactsMissingError):
        await identity_facts.read(keys=crypto.keys(tmp_path), brand_id=brand.id, reseller="R2", actor=people.actor(manager))
    assert await books.everything(owner) == before


FILTERS = {
    "all": ({}, ["R1", "R2", "R3"]),
    "tier": ({"tier": "base"}, ["R2", "R3"]),
    "root": ({"root": "R1"}, ["R1", "R2"]),
    "frozen": ({"state": "frozen"}, ["R3"]),
    "active": ({"state": "active"}, ["R1", "R2"]),
    "channel": ({"channel": "shop"}, ["R1", "R3"]),
    "text": ({"text": "二号"}, ["R2"]),
    "code": ({"text": "r3"}, ["R3"]),
    "both": ({"tier": "base", "channel": "shop"}, ["R3"]),
    "none": ({"text": "%"}, []),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_the_list_is_filtered_and_its_file_has_the_same_rows(
    brand: Brand, manager: permissions.Principal, tmp_path: Path, name: str
) -> None:
    await standing.freeze(brand_id=brand.id, reseller="R3", reason="x", day=D, actor=people.actor(manager), now=desk.NOW)
    await sell_in(brand, manager, "R2", ("web",), D)
    changes, codes = FILTERS[name]
    chosen = queries.Chosen(day=D, **changes)  # type: ignore[arg-type]
    found = await queries.listing(brand_id=brand.id, chosen=chosen)
    assert ([row.code for row in found.rows], found.total) == (codes, len(codes))
    await queries.write(brand=brand, wanted=queries.Wanted(form="csv", chosen=chosen), out=tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["code"] for row in rows] == codes
    if name == "code":
        assert rows == [
            {"code": "R3", "name": "三号", "kind": "company", "tier": "base", "parent": "", "root": "R3", "depth": "1",
             "joined_on": "2026-01-01", "state": "frozen", "agreement": "", "verification": "unverified"}
        ]  # fmt: skip


async def test_a_page_of_the_list_knows_how_many_there_are(brand: Brand) -> None:
    found = await queries.listing(brand_id=brand.id, chosen=queries.Chosen(day=D), page=2, size=2)
    assert ([row.code for row in found.rows], found.total) == (["R3"], 3)
    assert await queries.below(brand_id=brand.id, reseller="R1", day=D) == 1


async def test_before_it_joins_a_reseller_stands_nowhere(brand: Brand) -> None:
    found = await queries.one(brand_id=brand.id, code="R2", day=dt.date(2026, 1, 31))
    assert (found.root, found.depth, found.parent, found.tier) == (None, None, "R1", "base")
