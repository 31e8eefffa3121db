"""Moves: shown before they are done, judged by the law's cap, from tomorrow on, and kept with their reason."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.network import agreement, placement, queries, rules, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto
    from qucheng.core.errors import RefusedError
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TOMORROW = desk.DAY + dt.timedelta(days=1)
PLACES = "SELECT effective_on, parent, tier FROM placement WHERE reseller = $1 ORDER BY 1"


def wanted(reseller: str, parent: str | None, tier: str = "base", day: dt.date = TOMORROW) -> placement.Placed:
    return placement.Placed(reseller=reseller, parent=parent, tier=tier, day=day, moved=True)


async def move(brand: Brand, who: permissions.Principal, where: placement.Placed, reason: str = "换区域") -> None:
    await placement.move(brand=brand, wanted=where, reason=reason, day=desk.DAY, actor=people.actor(who), now=desk.NOW)


async def test_a_move_is_kept_with_who_decided_it_and_why(brand: Brand, manager: permissions.Principal) -> None:
    await move(brand, manager, wanted("R2", "R3", "gold"))
    assert await books.seen(brand, PLACES, "R2") == [(TOMORROW, "R3", "gold")]
    decided = "SELECT effective_on, reason, decided_at, decided_by FROM placement_decision WHERE reseller = 'R2'"
    assert await books.seen(brand, decided) == [(TOMORROW, "换区域", desk.NOW, manager.user_id)]
    ((before, after),) = await books.seen(brand, "SELECT before, after FROM audit_record WHERE action = 'placement.move'")
    assert msgspec.json.decode(before) == {"parent": "R1", "tier": "base"}
    assert msgspec.json.decode(after) == {"parent": "R3", "tier": "gold", "effective_on": "2026-11-23", "reason": "换区域"}
    today, tomorrow = (
        [await queries.one(brand_id=brand.id, code="R2", day=day) for day in (desk.DAY, TOMORROW)]
    )  # fmt: skip
    assert (today.parent, today.tier, today.depth, today.root) == ("R1", "base", 2, "R1")
    assert (tomorrow.parent, tomorrow.tier, tomorrow.depth, tomorrow.root) == ("R3", "gold", 2, "R3")
    assert [(each.starts_on, each.ends_on, each.parent, each.root, each.reason) for each in await queries.places(brand_id=brand.id, reseller="R2")] == [
        (TOMORROW, None, "R3", "R3", "换区域"),
        (dt.date(2026, 2, 1), TOMORROW, "R1", "R1", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "refusal", "code"),
    [
        (wanted("R3", "R2"), placement.DepthExceededError, "network.depth_exceeded"),
        (wanted("R1", "R3"), placement.DepthExceededError, "network.depth_exceeded"),
        (wanted("R1", "R1"), placement.CycleError, "network.cycle"),
        (wanted("R1", "R2"), placement.CycleError, "network.cycle"),
        (wanted("R2", "nobody"), placement.ParentUnknownError, None),
        (wanted("nobody", None), resellers.ResellerUnknownError, None),
        (wanted("R2", "R3", "none"), resellers.ResellerUnfitError, None),
        (wanted("R2", "R1"), placement.MoveNothingError, None),
        (wanted("R2", "R3", day=desk.DAY), placement.MoveDayError, None),
        (wanted("R2", "R3", day=desk.DAY + dt.timedelta(days=367)), placement.MoveDayError, None),
    ],
)
async def test_a_move_that_cannot_be_is_refused_and_what_the_law_refuses_is_kept(
    owner: asyncpg.Connection,
    brand: Brand,
    manager: permissions.Principal,
    where: placement.Placed,
    refusal: type[RefusedError],
    code: str | None,
) -> None:
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await move(brand, manager, where)
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == ({"audit_record"} if code else set())
    tried = "SELECT subject, after ->> 'code', user_id FROM audit_record WHERE action = 'compliance.refused'"
    expected = [(f"network.move/{where.reseller}", code, manager.user_id)] if code else []
    assert await books.seen(brand, tried) == expected


async def test_a_day_takes_one_move_of_a_reseller(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    await move(brand, manager, wanted("R2", "R3"))
    before = await books.everything(owner)
    with pytest.raises(placement.MoveTakenError):
        await move(brand, manager, wanted("R2", None))
    assert await books.everything(owner) == before


async def test_nobody_is_put_below_who_goes(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, manager: permissions.Principal
) -> None:
    actor = people.actor(manager)
    later = desk.DAY + dt.timedelta(days=30)
    await standing.close(
        brand_id=brand.id, reseller="R3", closes_on=later, reason="不做了", day=desk.DAY, actor=actor, now=desk.NOW
    )
    current: agreement.Agreement = await desk.agreed(brand)
    made = await desk.applied(keys, brand, current)
    before = await books.everything(owner)
    with pytest.raises(placement.ParentClosedError):
        await move(brand, manager, wanted("R2", "R3"))
    with pytest.raises(placement.ParentClosedError):
        await desk.approved(keys, brand, manager, made, desk.chosen("N1", parent="R3"))
    with pytest.raises(placement.ResellerClosedError):
        await move(brand, manager, wanted("R3", None, "gold", later))
    assert await books.everything(owner) == before


async def test_what_a_move_changes_is_shown_before(brand: Brand) -> None:
    found = await placement.preview(brand=brand, wanted=wanted("R2", "R3", "gold"))
    assert found == placement.Preview(
        before=placement.Side(parent="R1", tier="base", figures=rules.Figures(root="R1", depth=2, heads=2, persons=2, below=0)),
        after=placement.Side(parent="R3", tier="gold", figures=rules.Figures(root="R3", depth=2, heads=2, persons=2, below=0)),
        refused=None,
    )
    found = await placement.preview(brand=brand, wanted=wanted("R1", "R3"))
    assert (found.before and found.before.figures, found.after, found.refused) == (
        rules.Figures(root="R1", depth=1, heads=2, persons=2, below=1), None, "network.depth_exceeded",
    )  # fmt: skip
    join = placement.Placed(reseller="N1", parent="R1", tier="base", day=TOMORROW, moved=False)
    found = await placement.preview(brand=brand, wanted=join)
    assert (found.before, found.after and found.after.figures) == (
        None, rules.Figures(root="R1", depth=2, heads=3, persons=2, below=0),
    )  # fmt: skip


async def test_a_preview_says_how_hot_the_root_becomes(tmp_path: Path) -> None:
    folder = books.write(
        tmp_path / "bundle",
        code="hot",
        resellers=[
            "A,A,company,,gold,2026-01-01,",
            *(f"a{n},a,company,A,gold,2026-01-01," for n in range(22)),
            "B,B,company,,gold,2026-01-01,",
        ],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    found = await placement.preview(brand=brand, wanted=wanted("a0", None, "gold"))
    assert (found.before and found.before.heat, found.after and found.after.heat) == ("amber", "cool")
    found = await placement.preview(brand=brand, wanted=wanted("B", "A", "gold"))
    assert (found.before and found.before.heat, found.after and (found.after.heat, found.after.figures.heads)) == (
        "cool",
        ("amber", 24),
    )


async def test_a_move_and_a_join_at_once_do_not_pass_the_cap(
    keys: crypto.Keys, brand: Brand, manager: permissions.Principal
) -> None:
    made = await desk.applied(keys, brand, await desk.agreed(brand))
    ends = await asyncio.gather(
        move(brand, manager, wanted("R3", "R1")),
        desk.approved(keys, brand, manager, made, desk.chosen("N1", parent="R3", joined_on=TOMORROW)),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["DepthExceededError", "NoneType"]
    assert await books.seen(brand, "SELECT max(depth) FROM chain") == [(2,)]


async def test_a_delivery_that_is_being_taken_in_is_not_overtaken(
    workspace: books.Workspace, owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    before = await books.everything(owner)
    async with books.connected(workspace.app, brand.id) as other, other.transaction():
        await other.execute("SELECT lock_brand($1, 'intake')", brand.id)
        with pytest.raises(resellers.NetworkBusyError):
            await move(brand, manager, wanted("R2", "R3"))
    assert await books.everything(owner) == before
    await move(brand, manager, wanted("R2", "R3"))
    assert await books.seen(brand, PLACES, "R2") == [(TOMORROW, "R3", "base")]
