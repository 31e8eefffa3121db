"""The secret of a card, asked for by a machine: signed, with a reason, on record each time, and never a kept reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.stock import card_desk

from qucheng.core import audit
from qucheng.stock import rules

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser
    from tests.doors.open_api import callers

pytestmark = pytest.mark.anyio


async def test_a_delivered_card_is_shown_and_each_time_is_on_record(
    house: browser.House, make: callers.Make, workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert workspace
    brand = await card_desk.opened(tmp_path / "b", "revealed", orders=1)
    actor = await card_desk.somebody(house.keys)
    batch = await card_desk.stocked(brand, house.keys, 3, actor)
    (first, *_) = await card_desk.delivered(brand, "O-1", 2, actor)
    plain = await card_desk.plain(brand, house.keys, batch)
    machine, card = await make(brand, "cards.reveal"), rules.card_id(*first)
    path = f"/api/v1/cards/{card}/reveal"
    for status, code, wrong, body in (
        (422, "request.fields", path, {}),
        (422, "request.fields", path, {"purpose": " \n "}),
        (404, "card.unknown", "/api/v1/cards/999-1/reveal", {"purpose": "x"}),
        (404, "card.unknown", "/api/v1/cards/x/reveal", {"purpose": "x"}),
        (409, "reveal.nothing", f"/api/v1/cards/{rules.card_id(batch, 3)}/reveal", {"purpose": "x"}),
    ):
        answer = await machine.post(wrong, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    tests = await make(brand, "cards.reveal", mode="test")
    assert (await tests.post(path, {"purpose": "x"})).status_code == 403
    assert (await machine.get(path)).status_code in (404, 405)
    assert await books.seen(brand, "SELECT count(*) FROM card_reveal") == [(0,)]
    replies = [await machine.post(path, {"purpose": "delivery"}, key="the same") for _ in range(2)]
    for answer in replies:
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert "idempotent-replayed" not in answer.headers
        shown = answer.json()
        assert (shown["id"], shown["sku"], shown["code"], shown["pin"]) == (card, "card", plain[first[1] - 1], None)
    assert replies[0].json()["revealedAt"] == replies[1].json()["revealedAt"]
    assert (
        await books.seen(brand, "SELECT viewer_kind, viewer, purpose FROM card_reveal")
        == [("api_key", machine.issued.id, "delivery")] * 2
    )
    assert len(await audit.listing(brand_id=brand.id, action="card.reveal")) == 2
    assert await books.seen(brand, "SELECT count(*) FROM idempotent_reply") == [(0,)]
    stored = await owner.fetchval("SELECT string_agg(t::text, ' ') FROM audit_record t WHERE brand_id = $1", brand.id)
    assert plain[first[1] - 1] not in stored
