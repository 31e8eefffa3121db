"""What is answered to a card, by a pure function: every answer, and the same one whenever it is judged again."""

from __future__ import annotations

import datetime as dt

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from qucheng.redemption import rules

# a Sunday, noon in Shanghai
NOON = dt.datetime(2026, 11, 22, 4, 0, tzinfo=dt.UTC)
PLACE = rules.Place(terminal="t-1", store="S1", area="east", may=True, closed=False)
CARD = rules.Card(sku="card", state="revealed", came_from=None, void_reason=None, last_day=dt.date(2026, 11, 22), channel="web")


def seen(*, card: rules.Card | None = CARD, place: rules.Place = PLACE, spent: bool = False, **rule: object) -> rules.Snapshot:
    said = msgspec.convert(rule, rules.Rule) if rule else None
    return rules.Snapshot(zone="Asia/Shanghai", place=place, card=card, rule=said, spent=spent)


def of(state: str, came_from: str | None = None, void_reason: str | None = None) -> rules.Snapshot:
    return seen(card=msgspec.structs.replace(CARD, state=state, came_from=came_from, void_reason=void_reason))


@pytest.mark.parametrize(
    ("snapshot", "wanted"),
    [
        (of("revealed"), "ok"),
        (of("delivered"), "ok"),
        (of("available"), "unknown"),
        (of("inactive"), "unknown"),
        (of("reserved"), "unknown"),
        (seen(card=None), "unknown"),
        (of("frozen", "available"), "unknown"),
        (of("frozen", "delivered"), "frozen"),
        (of("redeemed", "revealed"), "used"),
        (of("void", void_reason="refunded"), "void"),
        (of("void", void_reason="withdrawn"), "void"),
        (of("void", void_reason="expired"), "expired"),
        (seen(card=msgspec.structs.replace(CARD, last_day=dt.date(2026, 11, 21))), "expired"),
        (seen(card=msgspec.structs.replace(CARD, last_day=None)), "ok"),
        (seen(spent=True), "unknown"),
        (seen(starts_on="2026-11-23"), "not_yet"),
        (seen(starts_on="2026-11-22"), "ok"),
        (seen(days=[1, 6]), "not_yet"),
        (seen(days=[7]), "ok"),
        (seen(windows=[{"begins": "12:00:00", "ends": "14:00:00"}]), "ok"),
        (seen(windows=[{"begins": "10:00:00", "ends": "12:00:00"}]), "not_yet"),
        (seen(windows=[{"begins": "22:00:00", "ends": "12:01:00"}]), "ok"),
        (seen(windows=[{"begins": "22:00:00", "ends": "11:59:00"}]), "not_yet"),
        (seen(stores=["S2"]), "not_here"),
        (seen(stores=["S1", "S2"]), "ok"),
        (seen(areas=["west"]), "not_here"),
        (seen(channels=["shop"]), "not_here"),
        (seen(terminals=["t-2"]), "not_here"),
        (seen(place=msgspec.structs.replace(PLACE, may=False)), "not_here"),
        (seen(place=msgspec.structs.replace(PLACE, closed=True)), "not_here"),
        (seen(card=msgspec.structs.replace(CARD, state="redeemed", came_from="revealed"), stores=["S2"]), "not_here"),
    ],
)
def test_every_answer(snapshot: rules.Snapshot, wanted: str) -> None:
    assert rules.verdict(snapshot, NOON) == wanted


NAMES = st.lists(st.sampled_from(["S1", "S2", "east", "web"]), max_size=2).map(tuple)
TIMES = st.times().map(lambda time: time.replace(microsecond=0))
RULES = st.builds(
    rules.Rule,
    starts_on=st.none() | st.dates(dt.date(2026, 11, 1), dt.date(2026, 12, 31)),
    days=st.lists(st.integers(1, 7), max_size=3).map(tuple),
    windows=st.lists(st.builds(rules.Window, begins=TIMES, ends=TIMES), max_size=2).map(tuple),
    stores=NAMES, areas=NAMES, channels=NAMES, terminals=NAMES,
)  # fmt: skip
CARDS = st.builds(
    rules.Card,
    sku=st.just("card"),
    state=st.sampled_from(["inactive", "available", "reserved", "delivered", "revealed", "redeemed", "frozen", "void"]),
    came_from=st.sampled_from([None, "available", "delivered", "revealed"]),
    void_reason=st.sampled_from([None, "expired", "refunded", "withdrawn", "faulty"]),
    last_day=st.none() | st.dates(dt.date(2026, 11, 1), dt.date(2026, 12, 31)),
    channel=st.sampled_from([None, "web", "shop"]),
)
PLACES = st.builds(
    rules.Place,
    terminal=st.just("t-1"),
    store=st.sampled_from(["S1", "S2"]),
    area=st.sampled_from([None, "east"]),
    may=st.booleans(),
    closed=st.booleans(),
)
SNAPSHOTS = st.builds(
    rules.Snapshot,
    zone=st.just("Asia/Shanghai"),
    place=PLACES,
    card=st.none() | CARDS,
    rule=st.none() | RULES,
    rule_version=st.just(1),
    spent=st.booleans(),
)
INSTANTS = st.datetimes(dt.datetime(2026, 11, 1), dt.datetime(2026, 12, 31), timezones=st.just(dt.UTC))  # noqa: DTZ001 - of the zone


@hypothesis.given(SNAPSHOTS, INSTANTS)
@hypothesis.settings(max_examples=150, deadline=None)
def test_what_is_kept_of_it_is_judged_the_same(snapshot: rules.Snapshot, now: dt.datetime) -> None:
    found = rules.verdict(snapshot, now)
    kept = msgspec.json.decode(msgspec.json.encode(snapshot), type=rules.Snapshot)
    assert (kept, rules.verdict(kept, now)) == (snapshot, found)
    assert found in rules.VERDICTS
    if found == "ok":
        assert snapshot.card is not None
        assert snapshot.card.state in {"delivered", "revealed"}
        assert snapshot.place.may
        assert not snapshot.spent
        assert not snapshot.place.closed
