"""The draft of a commission plan, as managers open, change and import it; what they typed is never lost, and two of them lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import plan_visits, visits

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

KEPT = ("OWN", "percent", 1, "order", "0.1", "kept", None)


@pytest.fixture
async def manager(house: browser.House, brand: Brand) -> plan_visits.Manager:
    return await plan_visits.Manager.at_work(house, brand)


@pytest.mark.parametrize("role", ["accountant", "auditor"])
async def test_who_reads_sees_what_is_in_force_and_opens_nothing(
    house: browser.House, brand: Brand, role: permissions.Role
) -> None:
    visitor, _ = await visits.entered(house, brand.id, role)
    answer = await visitor.get("/plans")
    words = visits.plain(answer.text)
    assert "In force 1 as it was delivered" in words
    assert "OWN The seller Share of a sale Every sale 10.00% of what the buyer paid Always 0" in words
    assert "Mainland China, strict: the seller alone earns" in words
    assert "/plans/draft/open" not in answer.text
    assert (await visitor.get("/plans/draft/rule")).status_code == 404
    await visitor.get("/account")
    assert (await visitor.send("/plans/draft/open")).status_code == 404
    assert await books.seen(brand, "SELECT * FROM plan_version") == []


async def test_a_draft_starts_as_what_is_in_force_and_there_is_one(
    house: browser.House, brand: Brand, manager: plan_visits.Manager
) -> None:
    await manager.opened()
    assert await manager.rows() == [KEPT]
    owner = await plan_visits.Manager.at_work(house, brand, "owner")
    await owner.visitor.get("/account")
    answer = await owner.visitor.send("/plans/draft/open")
    assert (answer.status_code, answer.headers["location"]) == (303, plan_visits.DRAFT)
    assert await manager.versions() == [(1, "draft")]


async def test_a_rule_is_added_with_a_rate_as_people_write_it(manager: plan_visits.Manager) -> None:
    await manager.opened()
    await manager.form()
    assert 'value="RULE-1"' in manager.visitor.page
    answer = await _add(manager, code="CARD", sku="card", rate="6.25 %")
    assert answer == (303, f"{plan_visits.DRAFT}?done=saved")
    assert await manager.rows() == [("CARD", "percent", 1, "order", "0.0625", "added", None), KEPT]
    await manager.visitor.get(answer[1])
    assert "The rule is saved in the draft. " in manager.words
    assert "The plan can be published" in manager.words


async def _add(manager: plan_visits.Manager, **fields: str) -> tuple[int, str]:
    sent = {**plan_visits.FORM, "revision": "", **fields}
    answer = await manager.visitor.send(plan_visits.RULE, **sent)
    return answer.status_code, answer.headers.get("location", "")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"rate": "six"}, "rate", "Write a rate such as 6% or 6.25: from 0 to 100, with at most four decimals."),
        ({"rate": "6", "sku": "nothing"}, "sku", "There is nothing of this code. Choose one from the list."),
        ({"rate": "6", "tier": "silver"}, "tier", "There is nothing of this code. Choose one from the list."),
        ({"rate": "6", "code": "OWN"}, "code", "This code was used before, and a code is never used twice. Take another."),
    ],
)
async def test_a_wrong_rule_is_shown_again_as_it_was_typed(
    owner: asyncpg.Connection, manager: plan_visits.Manager, fields: dict[str, str], field: str, message: str
) -> None:
    await manager.opened()
    await manager.form()
    before = await books.everything(owner)
    status, _ = await _add(manager, **{"code": "NEW-1", "category": "typed before", **fields})
    assert (status, manager.faults) == (422, [field])
    assert message in manager.words
    assert f'value="{fields.get("rate")}"' in manager.visitor.page
    assert 'value="typed before"' in manager.visitor.page
    assert await changed(owner, before) == set()


async def test_what_the_law_does_not_allow_is_kept_as_it_was_said_and_refused_by_its_name(
    owner: asyncpg.Connection, manager: plan_visits.Manager
) -> None:
    """The form has no field for it; what is sent all the same is not turned into a rule that pays for a sale."""
    await manager.opened()
    for code, said in {
        "HEADS": {"reads": "downline_count"},
        "JOINS": {"event": "invite"},
        "FEE": {"kind": "entry_fee", "rate": "100"},
    }.items():
        await manager.form()
        assert (await _add(manager, **{"code": code, "rate": "5%", **said}))[0] == 303, manager.words
    assert [(row[0], row[1], row[3]) for row in await manager.rows() if row[0] != "OWN"] == [
        ("FEE", "entry_fee", "order"),
        ("HEADS", "percent", "order"),
        ("JOINS", "percent", "invite"),
    ]
    await manager.visitor.get(f"{plan_visits.DRAFT}?check=1")
    assert all(f"第七条（{clause}）" in manager.words for clause in "一二三")
    before = await books.everything(owner)
    for field in ("kind", "event", "reads"):
        await manager.form()
        assert (await _add(manager, code="X", rate="5%", **{field: "recruits"}))[0] == 422
    assert await changed(owner, before) == set()


async def test_turned_to_another_kind_the_form_keeps_what_was_typed(
    owner: asyncpg.Connection, manager: plan_visits.Manager
) -> None:
    await manager.opened()
    await manager.form()
    before = await books.everything(owner)
    assert (await _add(manager, code="B-1", rate="7%", sku="card", step="kind:slab"))[0] == 200
    assert 'name="share_3"' in manager.visitor.page
    assert manager.visitor.hidden("rate") == "7%"
    assert (await _add(manager, code="B-1", kind="slab", from_0="0", share_0="1%", step="more"))[0] == 200
    assert 'name="share_6"' in manager.visitor.page
    assert await changed(owner, before) == set()


async def test_a_rule_in_force_is_changed_under_another_code_and_brought_back(manager: plan_visits.Manager) -> None:
    await manager.opened()
    await manager.form("OWN")
    assert 'value="10.00%"' in manager.visitor.page
    assert 'value="OWN-2"' in manager.visitor.page
    sent = {**plan_visits.FORM, "revision": manager.visitor.hidden("revision"), "code": "OWN-2", "rate": "12"}
    answer = await manager.visitor.send(f"{plan_visits.RULE}?code=OWN", **sent)
    assert answer.status_code == 303
    assert await manager.rows() == [("OWN-2", "percent", 1, "order", "0.12", "changed", "OWN")]
    await manager.visitor.get(plan_visits.DRAFT)
    assert "OWN-2 in place of OWN Changed" in manager.words
    assert (await manager.visitor.send("/plans/draft/restore", code="OWN")).status_code == 303
    assert await manager.rows() == [KEPT]


async def test_a_rule_is_dropped_and_brought_back(manager: plan_visits.Manager) -> None:
    await manager.opened()
    await manager.visitor.get(plan_visits.DRAFT)
    assert (await manager.visitor.send("/plans/draft/drop", code="OWN", revision="1")).status_code == 303
    assert await manager.rows() == []
    await manager.visitor.get(plan_visits.DRAFT)
    assert "Dropped with this plan 1" in manager.words
    assert (await manager.visitor.send("/plans/draft/restore", code="OWN")).status_code == 303
    assert await manager.rows() == [KEPT]


async def test_of_two_editors_the_second_sees_what_the_first_saved_and_what_they_typed(
    house: browser.House, brand: Brand, manager: plan_visits.Manager
) -> None:
    await manager.opened()
    await manager.form()
    assert (await _add(manager, code="CARD", sku="card", rate="5"))[0] == 303
    other = await plan_visits.Manager.at_work(house, brand, "owner")
    await manager.form("CARD")
    await other.form("CARD")
    first = {**plan_visits.FORM, "revision": manager.visitor.hidden("revision"), "code": "CARD", "sku": "card", "rate": "6"}
    assert (await manager.visitor.send(f"{plan_visits.RULE}?code=CARD", **first)).status_code == 303
    second = {**first, "revision": other.visitor.hidden("revision"), "rate": "7"}
    answer = await other.visitor.send(f"{plan_visits.RULE}?code=CARD", **second)
    assert answer.status_code == 409
    assert "The rule was changed meanwhile, so nothing was saved. Look at it, then save again." in other.words
    assert "Share of a sale · 6.00% of what the buyer paid" in other.words
    assert 'value="7"' in other.visitor.page
    assert [(row[0], row[4]) for row in await manager.rows()] == [("CARD", "0.06"), ("OWN", "0.1")]
    again = {**second, "revision": other.visitor.hidden("revision")}
    assert (await other.visitor.send(f"{plan_visits.RULE}?code=CARD", **again)).status_code == 303
    assert [(row[0], row[4]) for row in await manager.rows()] == [("CARD", "0.07"), ("OWN", "0.1")]


async def test_dropping_what_another_changed_drops_nothing(
    house: browser.House, brand: Brand, manager: plan_visits.Manager
) -> None:
    await manager.opened()
    await manager.form()
    assert (await _add(manager, code="CARD", sku="card", rate="5"))[0] == 303
    other = await plan_visits.Manager.at_work(house, brand, "owner")
    await other.visitor.get(plan_visits.DRAFT)
    await manager.form("CARD")
    sent = {**plan_visits.FORM, "revision": manager.visitor.hidden("revision"), "code": "CARD", "sku": "card", "rate": "6"}
    assert (await manager.visitor.send(f"{plan_visits.RULE}?code=CARD", **sent)).status_code == 303
    answer = await other.visitor.send("/plans/draft/drop", code="CARD", revision="1")
    assert answer.status_code == 409
    assert [(row[0], row[4]) for row in await manager.rows()] == [("CARD", "0.06"), ("OWN", "0.1")]


async def test_a_file_is_taken_as_a_whole_or_not_at_all(owner: asyncpg.Connection, manager: plan_visits.Manager) -> None:
    await manager.opened()
    before = await books.everything(owner)
    answer = await manager.take_in(plan_visits.OWN, "CARD,percent,1,nothing,,,,net,0.2,0,,,,", "HALF,percent,x,,,,,net,0.5,0,,,,")
    assert answer.status_code == 422
    assert "2 rows can't be taken, so nothing was 3 rows" in manager.words
    assert "2 CARD Not taken sku There is nothing of this code. Choose one from the list." in manager.words
    assert "3 HALF Not taken level This can't be read." in manager.words
    assert await changed(owner, before) == set()
    answer = await manager.take_in("CARD,percent,1,card,,,,net,20%,0,,,,")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{plan_visits.DRAFT}?done=taken")
    assert await manager.rows() == [("CARD", "percent", 1, "order", "0.2", "added", None)]


async def test_what_is_no_plan_is_refused(owner: asyncpg.Connection, manager: plan_visits.Manager) -> None:
    await manager.opened()
    before = await books.everything(owner)
    for head, message in (
        ("", "Paste the rows of a plan, or choose a file."),
        ("name,price", "The plan can't be read: it is neither a table with the columns of rules.csv nor TOML."),
    ):
        await manager.visitor.get(plan_visits.IMPORT)
        answer = await manager.visitor.send(plan_visits.IMPORT, text=head and f"{head}\n1,2", seen="{}")
        assert (answer.status_code, manager.faults) == (422, ["text"])
        assert message in manager.words
    assert await changed(owner, before) == set()


async def test_a_file_does_not_take_the_place_of_what_another_changed(manager: plan_visits.Manager) -> None:
    await manager.opened()
    await manager.visitor.get(plan_visits.IMPORT)
    seen = manager.visitor.hidden("seen")
    await manager.form()
    assert (await _add(manager, code="CARD", sku="card", rate="5"))[0] == 303
    answer = await manager.visitor.send(plan_visits.IMPORT, text=f"{plan_visits.HEAD}\n{plan_visits.OWN}", seen=seen)
    assert answer.status_code == 409
    assert [row[0] for row in await manager.rows()] == ["CARD", "OWN"]
    again = await manager.visitor.send(
        plan_visits.IMPORT, text=f"{plan_visits.HEAD}\n{plan_visits.OWN}", seen=manager.visitor.hidden("seen")
    )
    assert again.status_code == 303
    assert await manager.rows() == [KEPT]


async def test_a_draft_is_discarded_after_asking(manager: plan_visits.Manager) -> None:
    await manager.opened()
    await manager.visitor.get("/plans/draft/discard")
    assert "0 changes are lost. What is in force stays as it is." in manager.words
    assert (await manager.visitor.send("/plans/draft/discard", version="7")).status_code == 303
    assert await manager.versions() == [(1, "draft")]
    await manager.visitor.get("/plans/draft/discard")
    assert (await manager.visitor.send("/plans/draft/discard", version="1")).status_code == 303
    assert await manager.versions() == [(1, "discarded")]
    answer = await manager.visitor.get(plan_visits.DRAFT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans")


async def changed(owner: asyncpg.Connection, before: dict[str, str]) -> set[str]:
    """Tables that hold something else than before, without what a visit leaves."""
    after = await books.everything(owner)
    return {name for name, rows in after.items() if before.get(name) != rows} - {"session", "process"}
