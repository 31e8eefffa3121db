"""Whatever is asked of a brand, in whatever order: each answer and every card is what the model says, and the books agree after each step."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import hypothesis
import pytest
from hypothesis import stateful
from tests.rooms.everything import ground, model, using

from qucheng.core import crypto, db

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests import books

pytestmark = pytest.mark.anyio
CARDS = """
    SELECT c.batch, c.number, c.sku, c.pool, c.state, c.came_from, c.order_no, c.line_no, c.claim, c.reservation, c.revealed_at IS NOT NULL, c.borrowed, c.void_reason
    FROM card c"""
LEVELS = """
    SELECT pool, batch, sku, came_in, moved_in - moved_out, inactive, available, reserved, delivered, revealed, redeemed, frozen, void
    FROM stock_level WHERE came_in + moved_in > 0"""
STATES = ("inactive", "available", "reserved", "delivered", "revealed", "redeemed", "frozen", "void")
EARNED = """
    SELECT order_no, line_no, level, sum(amount_minor)::int FROM (
        SELECT order_no, line_no, level, amount_minor FROM accrual UNION ALL SELECT order_no, line_no, level, amount_minor FROM reversal) e
    GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0"""
CLOCKS = "SELECT order_no, line_no, started_at FROM line_clock"
EVENTS = "SELECT order_no, line_no, at, sum(quantity)::int FROM fulfilment GROUP BY 1, 2, 3"
ANSWERS = "SELECT id, verdict, batch, number, undone, recorded_at IS NOT NULL FROM redemption"
CASES = "SELECT kind, order_no, line_no, units FROM stock_case WHERE closed_at IS NULL"
LATE = "SELECT redemption, order_no, line_no, started_minor, matured_minor FROM late_reversal"
CLAIMS = "SELECT k.id, k.offer, k.subject_hash, k.period FROM claim k"


class Everything(using.Using):
    @stateful.invariant()
    def all_is_as_the_model_says(self) -> None:
        """Nothing is looked at again where nothing was done, or all was taken back and found to be so."""
        if not hasattr(self, "model") or not self.touched:
            return
        found = self.do(self.read)
        self.cards_are(found)
        self.levels_are(found["levels"])
        self.books_are(found)
        assert self.do(self.ground.differences, self.now) == []

    async def read(self) -> dict[str, list[tuple[Any, ...]]]:
        queries = {
            "cards": CARDS, "levels": LEVELS, "earned": EARNED, "clocks": CLOCKS, "events": EVENTS, "answers": ANSWERS, "cases": CASES,
            "late": LATE, "sales": "SELECT order_no, stock_state FROM sale", "claims": CLAIMS,
            "taken": "SELECT code, taken FROM claim_offer", "unequal": "SELECT * FROM stock_differences()",
        }  # fmt: skip
        async with db.atomic(self.ground.brand.id):
            return {name: [tuple(row) for row in await db.connection().fetch(query)] for name, query in queries.items()}

    def cards_are(self, found: dict[str, list[tuple[Any, ...]]]) -> None:
        """Each in one hand: an order line's, a claim's, a reservation's, or nobody's."""
        numbers = {made: number for number, made in self.ids.items()}
        claims = {row[0] for row in found["claims"]}
        cards = {}
        for batch, number, sku, pool, state, was, order, line, claim, held, seen, borrowed, reason in found["cards"]:
            assert claim is None or claim in claims
            place = None if order is None else (order, line)
            cards[batch, number] = (sku, pool, state, was, place, claim is not None, numbers.get(held), seen, borrowed, reason)
        assert cards == {
            key: (
                card.sku,
                card.pool,
                card.state,
                card.was,
                card.line,
                self.model.claimed(key),
                card.held,
                card.seen,
                card.borrowed,
                card.reason,
            )
            for key, card in self.model.cards.items()
        }
        live = [row[8] for row in found["cards"] if row[8] is not None and row[12] != "faulty"]
        assert sorted(live) == sorted(claims)
        taken = {code: sum(of == code for of, _, _ in self.model.claims) for code in model.OFFERS}
        assert dict(found["taken"]) == taken

    def levels_are(self, levels: list[tuple[Any, ...]]) -> None:
        """The stock equation of every batch in every pool; of a pool, a batch or a SKU it is the sum of them."""
        counted: dict[tuple[int, int, str], list[int]] = {}
        for (batch, _), card in self.model.cards.items():
            came = counted.setdefault((card.came_in, batch, card.sku), [0] * 10)
            came[0] += 1
            came[1] -= 1
            here = counted.setdefault((card.pool, batch, card.sku), [0] * 10)
            here[1] += 1
            here[2 + STATES.index(card.state)] += 1
        found = {(pool, batch, sku): list(counts) for pool, batch, sku, *counts in levels}
        assert {key: counts for key, counts in found.items() if any(counts)} == {
            key: counts for key, counts in counted.items() if any(counts)
        }
        assert all(sum(counts[2:]) == counts[0] + counts[1] for counts in found.values())

    def books_are(self, found: dict[str, list[tuple[Any, ...]]]) -> None:
        books = self.model
        assert found["unequal"] == []
        assert dict(found["sales"]) == books.sales
        assert {row[:3]: row[3] for row in found["earned"]} == {
            (*place, level): amount for place in books.books for level, amount in books.entries(place).items() if amount
        }
        assert {row[:2]: row[2] for row in found["clocks"]} == {
            place: self.at(line.started) for place, line in books.books.items() if line.started is not None
        }
        events: dict[tuple[Any, ...], int] = {}
        for place, line in books.books.items():
            for at, units in line.events:
                events[*place, self.at(at)] = events.get((*place, self.at(at)), 0) + units
        assert {row[:3]: row[3] for row in found["events"]} == events
        assert {row[0]: row[1:] for row in found["answers"]} == {
            self.made[place]: (each.verdict, *(each.card or (None, None)), each.undone, each.recorded)
            for place, each in books.answers.items()
        }
        short = [("short", *place, line["left"]) for place, line in books.lines.items() if line["short"]]
        assert sorted(found["cases"]) == sorted(
            [*short, *(("exceeds", *place, count) for place, count in books.missing if count)]
        )
        assert {row[0]: row[1:] for row in found["late"]} == {
            self.made[place]: (*line, started, matured) for place, (line, started, matured) in books.late.items()
        }


# what the walks of every day must have come to, or they prove little
REACHED = {
    "place done", "give done", "reserve done", "claim done", "reveal_card done", "redeem code ok", "redeem code used", "reverse blocked",
    "reverse late", "reverse_late counted",
}  # fmt: skip


async def walked(
    folder: Path, owner: asyncpg.Connection, examples: int, steps: int, *, shrinks: bool = False
) -> collections.Counter[str]:
    """How often what was asked for was answered how."""
    reached: collections.Counter[str] = collections.Counter()
    tables = [row[0] for row in await owner.fetch(ground.TABLES)]
    given = {"folder": folder, "keys": crypto.keys(folder / "keys"), "owner": owner, "tables": tables, "reached": reached}
    walk = type("Walk", (Everything,), given)
    phases = [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrinks else [])]
    chosen = hypothesis.settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=not shrinks, phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    await anyio.to_thread.run_sync(lambda: stateful.run_state_machine_as_test(walk, settings=chosen))
    return reached


async def test_everything_is_what_the_model_says_after_each_step(
    workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert workspace
    reached = await walked(tmp_path, owner, 6, 40)
    assert sorted(REACHED - set(reached)) == [], sorted(reached.items())


async def test_the_walks_find_a_fault(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path) -> None:
    """Claims that give out the card that expires last: no check of the database minds, and the model does."""
    assert workspace
    name = "claim_cards(text, uuid[], bytea[], uuid[], text[], bytea[], date, timestamptz)"
    sound = await owner.fetchval("SELECT pg_get_functiondef($1::regprocedure)", name)
    faulty = sound.replace("ORDER BY d.expires_on, d.batch", "ORDER BY d.expires_on DESC, d.batch")
    assert faulty != sound
    await owner.execute(faulty)
    try:
        with pytest.raises(AssertionError):
            await walked(tmp_path, owner, 4, 40)
    finally:
        await owner.execute(sound)


@pytest.mark.long
async def test_everything_is_what_the_model_says_in_many_walks(
    workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert workspace
    await walked(tmp_path, owner, 60, 60, shrinks=True)
