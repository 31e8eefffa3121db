"""The depth cap, the absence of rings and the head rule are held by the database: attacked with plain SQL as the app's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TWO_LINES = [
    "R1,R1,company,,gold,2026-01-01,",
    "R2,R2,individual,R1,gold,2026-01-10,",
    "S1,S1,company,,gold,2026-01-01,",
    "S2,S2,individual,S1,gold,2026-01-10,",
    "FREE,FREE,company,,gold,2026-01-01,",
    "LATE,LATE,company,,gold,2026-06-01,",
]
# BROAD: 30 heads, no chain of three. LONG: a chain of three, 29 heads.
MANY_HEADS = [
    *("BROAD,BROAD,company,,gold,2026-01-01,", "BROAD.1,B1,company,BROAD,gold,2026-01-01,"),
    *(f"b{n},b{n},individual,BROAD,gold,2026-01-01," for n in range(28)),
    *(
        "LONG,LONG,company,,gold,2026-01-01,",
        "LONG.1,L1,company,LONG,gold,2026-01-01,",
        "LONG.2,L2,company,LONG.1,gold,2026-01-01,",
    ),
    *(f"l{n},l{n},individual,LONG,gold,2026-01-01," for n in range(26)),
]


@pytest.fixture(scope="module")
async def brands(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Brand]:
    assert workspace
    made = {}
    for code, compliance, resellers in (
        ("strict", books.STRICT, TWO_LINES),
        ("flat", books.STRICT + "\nmax_depth = 1", TWO_LINES[:1]),
        ("intl", books.INTL, MANY_HEADS),
    ):
        folder = books.write(tmp_path_factory.mktemp(code), code=code, compliance=compliance, resellers=resellers)
        made[code] = await books.found(folder)
        await books.take_in(made[code], folder)
        assert await books.seen(made[code], "SELECT count(*) FROM reseller") == [(len(resellers),)]
    return made


class Attacker:
    """The app's role, standing in one brand."""

    def __init__(self, connection: asyncpg.Connection, brand: Brand) -> None:
        self.connection, self.brand = connection, brand

    async def join(self, *joins: tuple[str, str | None, str]) -> None:
        await self.insert("reseller", *({"code": code, "parent": parent, "joined_on": day} for code, parent, day in joins))

    async def move(self, *moves: tuple[str, str | None, str]) -> None:
        await self.insert(
            "placement", *({"reseller": code, "parent": parent, "effective_on": day} for code, parent, day in moves)
        )

    async def insert(self, table: str, *rows: dict[str, Any]) -> None:
        more = {"name": "attack", "kind": "individual"} if table == "reseller" else {}
        await books.insert(self.connection, table, *({"brand_id": self.brand.id, "tier": "gold", **more, **row} for row in rows))


@pytest.fixture
async def strict(app: asyncpg.Connection, brands: dict[str, Brand]) -> AsyncIterator[Attacker]:
    """What succeeds is undone."""
    await books.stand_in(app, brands["strict"].id)
    transaction = app.transaction()
    await transaction.start()
    yield Attacker(app, brands["strict"])
    await transaction.rollback()


@pytest.fixture
async def intl(app: asyncpg.Connection, brands: dict[str, Brand]) -> AsyncIterator[Attacker]:
    await books.stand_in(app, brands["intl"].id)
    transaction = app.transaction()
    await transaction.start()
    yield Attacker(app, brands["intl"])
    await transaction.rollback()


async def test_control_what_the_cap_allows_is_taken(strict: Attacker) -> None:
    await strict.join(("N1", "R1", "2026-02-01"), ("N2", None, "2026-02-01"))
    await strict.move(("R2", "S1", "2026-03-01"), ("FREE", "R1", "2026-03-01"))
    depths = await strict.connection.fetch("SELECT reseller, max(depth) FROM chain WHERE depth > 1 GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in depths] == [("FREE", 2), ("N1", 2), ("R2", 2), ("S2", 2)]


async def test_control_a_stay_that_is_over_before_a_child_joins_is_taken(strict: Attacker) -> None:
    await strict.move(("R1", "S1", "2026-01-05"), ("R1", None, "2026-01-10"))
    assert await strict.connection.fetchval("SELECT max(depth) FROM chain") == 2


@pytest.mark.parametrize(
    "joins",
    [
        pytest.param([("N1", "R2", "2026-02-01")], id="third in a line"),
        pytest.param([("N1", "R1", "2026-02-01"), ("N2", "N1", "2026-02-01")], id="two joins at once"),
        pytest.param([("N1", "N1", "2026-02-01")], id="its own parent"),
        pytest.param([("N1", "N2", "2026-02-01"), ("N2", "N1", "2026-02-01")], id="a ring of two"),
        pytest.param([("N1", "N2", "2026-02-01"), ("N2", "N3", "2026-02-01"), ("N3", "N1", "2026-02-01")], id="a ring of three"),
    ],
)
async def test_a_join_past_the_cap_or_in_a_ring_is_refused(
    strict: Attacker, owner: asyncpg.Connection, joins: list[tuple[str, str | None, str]]
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"), strict.connection.transaction():
        await strict.join(*joins)


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param([("FREE", "R2", "2026-03-01")], id="under the second in a line"),
        pytest.param([("R1", "S1", "2026-03-01")], id="takes a child along"),
        pytest.param([("R1", "R1", "2026-03-01")], id="its own parent"),
        pytest.param([("R1", "R2", "2026-03-01")], id="under its child"),
        pytest.param([("FREE", "LATE", "2026-07-01"), ("LATE", "FREE", "2026-07-01")], id="a ring of two"),
        pytest.param([("R1", "S1", "2026-01-09"), ("R1", None, "2026-01-11")], id="for one day too long"),
        pytest.param([("R1", "FREE", "2026-01-05")], id="before the child joined, and for ever"),
    ],
)
async def test_a_move_past_the_cap_or_into_a_ring_is_refused(
    strict: Attacker, owner: asyncpg.Connection, moves: list[tuple[str, str | None, str]]
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"), strict.connection.transaction():
        await strict.move(*moves)


async def test_a_move_is_judged_with_the_moves_that_are_stored(strict: Attacker, owner: asyncpg.Connection) -> None:
    await strict.move(("FREE", "R1", "2026-04-01"))
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"), strict.connection.transaction():
        await strict.move(("LATE", "FREE", "2026-07-01"))
    await strict.move(("FREE", None, "2026-07-01"))
    await strict.move(("LATE", "FREE", "2026-07-01"))


async def test_nobody_stands_under_a_parent_who_has_not_joined(strict: Attacker, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_joined"), strict.connection.transaction():
        await strict.join(("N1", "LATE", "2026-05-31"))
    async with books.refused(owner, asyncpg.CheckViolationError, "network_joined"), strict.connection.transaction():
        await strict.move(("FREE", "LATE", "2026-05-31"))
    await strict.join(("N1", "LATE", "2026-06-01"))
    await strict.move(("FREE", "LATE", "2026-06-01"))


async def test_nobody_is_placed_before_the_join(strict: Attacker, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_joined"), strict.connection.transaction():
        await strict.move(("LATE", None, "2026-05-31"))


async def test_a_tightened_cap_of_the_brand_counts(
    app: asyncpg.Connection, brands: dict[str, Brand], owner: asyncpg.Connection
) -> None:
    await books.stand_in(app, brands["flat"].id)
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"):
        await Attacker(app, brands["flat"]).join(("N1", "R1", "2026-02-01"))


async def test_a_parent_of_another_brand_does_not_exist(strict: Attacker, owner: asyncpg.Connection) -> None:
    async with (
        books.refused(owner, asyncpg.ForeignKeyViolationError, "reseller_parent_reference"),
        strict.connection.transaction(),
    ):
        await strict.join(("N1", "BROAD", "2026-02-01"))
    async with (
        books.refused(owner, asyncpg.ForeignKeyViolationError, "placement_parent_reference"),
        strict.connection.transaction(),
    ):
        await strict.move(("FREE", "BROAD", "2026-02-01"))


async def test_a_fourth_in_a_line_is_refused_everywhere(intl: Attacker, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"), intl.connection.transaction():
        await intl.join(("N1", "LONG.2", "2026-02-01"))


async def test_a_chain_of_three_under_a_root_with_thirty_heads_is_refused(intl: Attacker, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_heads"), intl.connection.transaction():
        await intl.join(("N1", "BROAD.1", "2026-02-01"))
    async with books.refused(owner, asyncpg.CheckViolationError, "network_heads"), intl.connection.transaction():
        await intl.move(("b7", "BROAD.1", "2026-02-01"))
    await intl.join(("N1", "BROAD", "2026-02-01"))


async def test_the_thirtieth_head_over_a_chain_of_three_is_refused(intl: Attacker, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_heads"), intl.connection.transaction():
        await intl.join(("N1", "LONG", "2026-02-01"))
    async with books.refused(owner, asyncpg.CheckViolationError, "network_heads"), intl.connection.transaction():
        await intl.move(("b7", "LONG", "2026-02-01"))


async def test_heads_and_chains_count_on_the_same_day_only(intl: Attacker, owner: asyncpg.Connection) -> None:
    await intl.move(("LONG.2", None, "2026-05-01"))
    async with books.refused(owner, asyncpg.CheckViolationError, "network_heads"), intl.connection.transaction():
        await intl.join(("N1", "LONG", "2026-04-30"))
    await intl.join(("N1", "LONG", "2026-05-01"), ("N2", "LONG", "2026-05-01"))


@pytest.mark.parametrize("table", ["reseller", "placement"])
@pytest.mark.parametrize("change", ["UPDATE {0} SET parent = NULL", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_joins_and_moves_are_append_only_for_the_app_and_for_the_owner(
    strict: Attacker, owner: asyncpg.Connection, table: str, change: str
) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError), strict.connection.transaction():
        await strict.connection.execute(change.format(table))
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(change.format(table))


async def test_a_temporary_table_in_the_place_of_ours_does_not_fool_the_check(
    strict: Attacker, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "network_depth"), strict.connection.transaction():
        await strict.connection.execute(
            "CREATE TEMP TABLE brand AS SELECT * FROM public.brand; UPDATE pg_temp.brand SET max_depth = 9;"
            "CREATE TEMP TABLE chain AS SELECT * FROM public.chain WHERE false;"
            "CREATE TEMP TABLE fresh AS SELECT * FROM public.reseller WHERE false;"
            "CREATE FUNCTION pg_temp.lock_brand(uuid, text) RETURNS void LANGUAGE sql AS 'SELECT';"
            "SET LOCAL search_path = pg_temp, public"
        )
        await strict.join(("N1", "R2", "2026-02-01"))
