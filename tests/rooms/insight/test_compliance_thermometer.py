"""The thermometer of random networks on random days is what counting one by one gives; a move is foretold as it then happens."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import books

from qucheng.core import db, ids
from qucheng.identity import brand as brands
from qucheng.network import rules, thermometer

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FIRST = dt.date(2026, 1, 1)
CAP = rules.Cap(max_depth=3, heads_limited=True)
# who joins (or moves), under whom, on which day
EVENTS = st.lists(st.tuples(st.integers(0, 11), st.none() | st.integers(0, 11), st.integers(0, 20)), min_size=1, max_size=30)


@pytest.fixture(scope="module")
async def like(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await books.found(books.write(tmp_path_factory.mktemp("like") / "bundle", code="like", compliance=books.INTL))


async def a_brand(like: Brand) -> Brand:
    made = msgspec.structs.replace(like, id=ids.new_id(), code=f"n-{uuid.uuid4().hex[:20]}")
    await brands.create(brand=made)
    async with db.atomic(made.id):
        await books.insert(db.connection(), "tier", {"brand_id": made.id, "code": "gold", "name": "金牌", "rank": 1})
    return made


async def put(brand: Brand, events: list[rules.Event]) -> None:
    """Joins and moves in one statement, as a delivery brings them."""
    async with db.atomic(brand.id):
        await db.connection().execute(
            """WITH given AS (SELECT * FROM unnest($1::date[], $2::boolean[], $3::text[], $4::text[]) e (day, moved, reseller, parent)),
               joined AS (INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on)
                          SELECT current_brand(), reseller, reseller, 'company', parent, 'gold', day FROM given WHERE NOT moved)
               INSERT INTO placement (brand_id, reseller, effective_on, parent, tier)
               SELECT current_brand(), reseller, day, parent, 'gold' FROM given WHERE moved""",
            [event.day for event in events],
            [event.moved for event in events],
            [event.reseller for event in events],
            [event.parent for event in events],
        )


def lawful(drawn: list[tuple[int, int | None, int]]) -> list[rules.Event]:
    """The first of a reseller is its join, at most one a day; what the rules refuse is left out."""
    events: list[rules.Event] = []
    seen: dict[str, dt.date] = {}
    for who, parent, day in sorted(drawn, key=lambda each: each[2]):
        code, on = f"R{who}", FIRST + dt.timedelta(days=day)
        event = rules.Event(
            day=on, moved=code in seen, reseller=code, parent=None if parent is None else f"R{parent}", row=len(events)
        )
        if seen.get(code) == on or rules.judge([event], [msgspec.structs.replace(each, row=None) for each in events], CAP):
            continue
        seen[code] = on
        events.append(event)
    return events


def standing_on(events: list[rules.Event], day: dt.date) -> dict[str, tuple[int, int]]:
    """Root → heads and persons in the longest chain, by walking up from everybody."""
    parent = {event.reseller: event.parent for event in sorted(events, key=lambda each: each.day) if event.day <= day}
    found: dict[str, tuple[int, int]] = {}
    for code in parent:
        above, depth = code, 1
        while (upper := parent[above]) is not None:
            above, depth = upper, depth + 1
        heads, persons = found.get(above, (0, 0))
        found[above] = (heads + 1, max(persons, depth))
    return found


async def read_on(brand: Brand, day: dt.date) -> dict[str, tuple[int, int]]:
    return {each.root: (each.heads, each.persons) for each in await thermometer.read(brand_id=brand.id, on=day)}


@given(drawn=EVENTS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
async def test_on_every_day_it_is_what_counting_gives(like: Brand, drawn: list[tuple[int, int | None, int]]) -> None:
    brand, events = await a_brand(like), lawful(drawn)
    await put(brand, events)
    for day in (FIRST + dt.timedelta(days=number) for number in range(-1, 22)):
        counted = standing_on(events, day)
        assert await read_on(brand, day) == counted, day
        totals = await thermometer.totals(brand_id=brand.id, on=day)
        assert (totals.roots, totals.heads) == (len(counted), sum(heads for heads, _ in counted.values()))


@given(drawn=EVENTS, who=st.integers(0, 11), parent=st.none() | st.integers(0, 11), day=st.integers(0, 20))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
async def test_a_move_is_foretold_as_it_happens(
    like: Brand, drawn: list[tuple[int, int | None, int]], who: int, parent: int | None, day: int
) -> None:
    brand, events, on = await a_brand(like), lawful(drawn), FIRST + dt.timedelta(days=day)
    await put(brand, events)
    code, under = f"R{who}", None if parent is None else f"R{parent}"
    before = await read_on(brand, on)
    told = await thermometer.what_if(brand=brand, reseller=code, parent=under, on=on)
    assert await read_on(brand, on) == before
    assert {each.root: (each.heads, each.persons) for each in told.before}.items() <= before.items()
    if any(event.moved and event.reseller == code and event.day == on for event in events):
        return  # there is a placement of that day already
    move = rules.Event(day=on, moved=True, reseller=code, parent=under)
    if told.refusal is None:
        await put(brand, [move])
        after = await read_on(brand, on)
        changed = {root for root in {*before, *after} if before.get(root) != after.get(root)}
        foretold = {each.root: (each.heads, each.persons) for each in told.after}
        assert changed <= {each.root for each in (*told.before, *told.after)}
        assert foretold == {root: after[root] for root in foretold}
    else:
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)):
            await put(brand, [move])
        assert await read_on(brand, on) == before


@pytest.mark.parametrize(
    ("below", "colour", "with_operator", "criminal"),
    [
        (22, "none", "amber", False),
        (23, "amber", "amber", False),
        (28, "amber", "red", True),
        (29, "red", "red", True),
        (499, "red", "red", True),
    ],
)
async def test_the_colour_by_heads(tmp_path: Path, below: int, colour: str, with_operator: str, *, criminal: bool) -> None:
    """The root and those below it count, and once more the operator: then a chain of two is one of three."""
    folder = books.write(
        tmp_path / "bundle",
        code=f"n-{uuid.uuid4().hex[:20]}",
        resellers=["A,A,company,,gold,2026-01-01,", *(f"B{n},B{n},individual,A,gold,2026-01-01," for n in range(below))],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    (heat,) = await thermometer.read(brand_id=brand.id, on=FIRST)
    assert (heat.heads, heat.heads_with_operator, heat.persons, heat.persons_with_operator) == (below + 1, below + 2, 2, 3)
    assert (heat.colour, heat.colour_with_operator, heat.criminal) == (colour, with_operator, criminal)
    totals = await thermometer.totals(brand_id=brand.id, on=FIRST)
    assert (totals.amber, totals.red) == (int(with_operator == "amber"), int(with_operator == "red"))


@pytest.mark.parametrize(
    ("reseller", "parent", "refusal"),
    [
        ("C", "A", "network.depth_exceeded"),
        ("A", "B", "network.cycle"),
        ("D", "LATE", "network.parent_joined_later"),
        ("LATE", "A", "placement.before_joined"),
        ("D", "A", None),
    ],
)
async def test_the_rule_that_a_move_breaks_is_named(
    tmp_path: Path, owner: asyncpg.Connection, reseller: str, parent: str, refusal: str | None
) -> None:
    folder = books.write(
        tmp_path / "bundle",
        code=f"n-{uuid.uuid4().hex[:20]}",
        resellers=[
            "A,A,company,,gold,2026-01-01,",
            "B,B,individual,A,gold,2026-01-01,",
            "C,C,company,,gold,2026-01-01,",
            "E,E,individual,C,gold,2026-01-01,",
            "D,D,company,,gold,2026-01-01,",
            "LATE,L,company,,gold,2026-06-01,",
        ],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    before = await books.everything(owner)
    told = await thermometer.what_if(brand=brand, reseller=reseller, parent=parent, on=dt.date(2026, 2, 1))
    assert told.refusal == refusal
    assert await books.everything(owner) == before
