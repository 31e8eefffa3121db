"""The network by date: which joins and moves are refused, and with which code. The cap is 2 unless a test says otherwise."""

from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qucheng.network import rules

TWO, THREE = rules.Cap(max_depth=2, heads_limited=False), rules.Cap(max_depth=3, heads_limited=False)
HEADS = rules.Cap(max_depth=3, heads_limited=True)
_rows = itertools.count(1)


def event(text: str) -> rules.Event:
    """`R<P 5` joins R under P on the fifth day, `R>P 5` moves it there; without a parent it is a root. `*` : stored."""
    stored, text = text.startswith("*"), text.removeprefix("*")
    what, day = text.split()
    moved = ">" in what
    reseller, parent = what.split(">" if moved else "<")
    return rules.Event(
        day=dt.date(2026, 1, int(day)), moved=moved, reseller=reseller, parent=parent or None, row=None if stored else next(_rows)
    )


def judged(story: str, cap: rules.Cap = TWO) -> list[str]:
    """The refusals of a story, as `event: code` in the order of the story."""
    texts = [text.strip() for text in story.split(",")]
    events = {event(text): text for text in texts}
    faults = rules.judge([e for e in events if e.row is not None], [e for e in events if e.row is None], cap)
    return [f"{text}: {faults[e]}" for e, text in events.items() if e in faults]


@pytest.mark.parametrize(
    ("story", "refused"),
    [
        ("A< 1, B<A 1", []),
        ("B<A 1, A< 1", []),
        ("A< 1, B<A 2, C<B 3", ["C<B 3: network.depth_exceeded"]),
        ("C<B 3, B<A 3, A< 3", ["C<B 3: network.depth_exceeded"]),
        ("A< 2, B<A 1", ["B<A 1: network.parent_joined_later"]),
        ("A< 2, B<A 1, C<B 3", ["B<A 1: network.parent_joined_later", "C<B 3: ref.unknown"]),
        ("A<A 1", ["A<A 1: network.cycle"]),
        ("A<B 1, B<A 1", ["A<B 1: network.cycle", "B<A 1: network.cycle"]),
        (
            "A<B 1, B<C 1, C<A 1, D<A 1",
            ["A<B 1: network.cycle", "B<C 1: network.cycle", "C<A 1: network.cycle", "D<A 1: ref.unknown"],
        ),
        ("A<B 1, B<A 2", ["A<B 1: network.parent_joined_later", "B<A 2: ref.unknown"]),
        ("A<A 1, B<A 2", ["A<A 1: network.cycle", "B<A 2: ref.unknown"]),
    ],
)
def test_joins(story: str, refused: list[str]) -> None:
    assert judged(story) == refused


@pytest.mark.parametrize(
    ("story", "refused"),
    [
        ("A< 1, B< 1, B>A 2", []),
        ("A< 1, B< 1, B>A 1", []),
        ("A< 1, B<A 1, B> 2, C<B 3", []),
        ("A< 1, B<A 1, B> 3, C<B 3", ["C<B 3: network.depth_exceeded"]),
        ("A< 1, B< 1, C<B 1, B>A 2", ["B>A 2: network.depth_exceeded"]),
        ("A< 1, B< 1, C<B 1, C> 2, B>A 2", ["B>A 2: network.depth_exceeded"]),
        ("A< 1, B< 1, C<A 1, C>B 2, A>B 2", ["A>B 2: network.depth_exceeded"]),
        ("A< 1, B<A 1, A>B 2", ["A>B 2: network.cycle"]),
        ("A< 1, A>A 2", ["A>A 2: network.cycle"]),
        ("A< 1, B< 1, A>B 2, B>A 2", ["B>A 2: network.cycle"]),
        ("A< 1, B< 5, B>A 4", ["B>A 4: placement.before_joined"]),
        ("A< 5, B< 1, B>A 4", ["B>A 4: network.parent_joined_later"]),
        ("A< 5, B< 5, B>A 4", ["B>A 4: placement.before_joined"]),
        ("A<A 1, B< 1, B>A 2, A>B 2", ["A<A 1: network.cycle", "B>A 2: ref.unknown", "A>B 2: ref.unknown"]),
        ("A< 1, B<A 2, C<B 3, C> 4", ["C<B 3: network.depth_exceeded", "C> 4: ref.unknown"]),
    ],
)
def test_moves(story: str, refused: list[str]) -> None:
    assert judged(story) == refused


@pytest.mark.parametrize(
    ("story", "refused"),
    [
        ("*A< 1, *B< 1, *C<A 2, *C>B 9, B>A 5", ["B>A 5: network.depth_exceeded"]),
        ("*A< 1, *B< 1, *C<A 2, *C>B 9, B>A 9", ["B>A 9: network.depth_exceeded"]),
        ("*A< 1, *B<A 1, *B> 9, C<B 8", ["C<B 8: network.depth_exceeded"]),
        ("*A< 1, *B<A 1, *B> 8, C<B 9", []),
        ("*A< 1, *B< 1, *A>B 9, B>A 5", ["B>A 5: network.cycle"]),
        ("*A< 1, *B< 1, *A>B 9, *A> 11, B>A 12", []),
        ("*A< 1, *B< 1, *B>A 9, C<B 5, D<C 6", ["C<B 5: network.depth_exceeded", "D<C 6: ref.unknown"]),
    ],
)
def test_what_is_new_is_judged_with_all_that_is_stored(story: str, refused: list[str]) -> None:
    assert judged(story) == refused


def test_a_third_in_a_line_where_the_cap_is_three() -> None:
    assert judged("A< 1, B<A 1, C<B 1, D<C 1", THREE) == ["D<C 1: network.depth_exceeded"]


def crowd(root: str, count: int) -> str:
    return ", ".join(f"{root}{number}<{root} 1" for number in range(count))


@pytest.mark.parametrize(
    ("story", "refused"),
    [
        (f"R< 1, {crowd('R', 27)}, X<R0 2", []),
        (f"R< 1, {crowd('R', 28)}, X<R0 2", ["X<R0 2: network.heads_exceeded"]),
        (f"R< 1, {crowd('R', 29)}, X<R0 2", ["X<R0 2: network.heads_exceeded"]),
        (f"R< 1, {crowd('R', 27)}, X<R0 2, Y<R 3", ["Y<R 3: network.heads_exceeded"]),
        (f"R< 1, {crowd('R', 27)}, X<R0 2, X> 3, Y<R 4, Z<R 4", []),
        (f"R< 1, {crowd('R', 40)}", []),
        (f"R< 1, {crowd('R', 29)}, S< 1, S>R0 2", ["S>R0 2: network.heads_exceeded"]),
        (f"R< 1, {crowd('R', 29)}, R1>R0 2", ["R1>R0 2: network.heads_exceeded"]),
        (f"R< 1, {crowd('R', 15)}, S< 1, {crowd('S', 13)}, S>R 2", ["S>R 2: network.heads_exceeded"]),
    ],
)
def test_thirty_heads_and_a_chain_of_three_do_not_meet(story: str, refused: list[str]) -> None:
    assert judged(story, HEADS) == refused


NAMES = "ABCDEF"


@st.composite
def stories(draw: st.DrawFn) -> list[str]:
    chance = random.Random(draw(st.integers(0, 10**6)))
    joins = [f"{name}<{chance.choice(['', *NAMES])} {chance.randint(1, 5)}" for name in NAMES]
    moves = {(chance.choice(NAMES), chance.randint(1, 9)): chance.choice(["", *NAMES]) for _ in range(draw(st.integers(0, 8)))}
    return joins + [f"{name}>{parent} {day}" for (name, day), parent in moves.items()]


@given(stories(), st.sampled_from([TWO, THREE]))
def test_what_is_taken_never_passes_the_cap_on_any_day(story: list[str], cap: rules.Cap) -> None:
    events = [event(text) for text in story]
    faults = rules.judge(events, [], cap)
    taken = [e for e in events if e not in faults]
    for day in sorted({e.day for e in events}):
        parents: dict[str, str | None] = {}
        for e in sorted((e for e in taken if e.day <= day), key=lambda e: (e.day, e.moved)):
            parents[e.reseller] = e.parent
        for reseller in parents:
            line: list[str] = []
            above: str | None = reseller
            while above is not None:
                assert above not in line, "a ring"
                line.append(above)
                above = parents[above]
            assert len(line) <= cap.max_depth


@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(story: list[str], chance: random.Random) -> None:
    events = [event(text) for text in story]
    faults = rules.judge(events, [], TWO)
    shuffled = [*events]
    chance.shuffle(shuffled)
    assert rules.judge(shuffled, [], TWO) == faults


@given(stories())
def test_what_was_taken_is_taken_again_and_what_was_refused_is_refused_again_over_what_is_stored(story: list[str]) -> None:
    events = [event(text) for text in story]
    faults = rules.judge(events, [], TWO)
    stored = [rules.Event(day=e.day, moved=e.moved, reseller=e.reseller, parent=e.parent) for e in events if e not in faults]
    again = rules.judge([e for e in events if e in faults], stored, TWO)
    assert again == faults
