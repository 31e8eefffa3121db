"""Adjustments of the desk: asked for by one, allowed by another, written once, as what was allowed; and the books agree with them."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.settlement import desk

from qucheng.core import crypto, db
from qucheng.identity import approval as approvals
from qucheng.insight import books as checks
from qucheng.settlement import adjustment, adjustment_queries, dispute

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FEBRUARY = dt.datetime(2026, 2, 15, 4, 30, 5, 123456, tzinfo=dt.UTC)
WRITTEN = "SELECT reseller, amount_minor, reason, occurred_at, intake, source_row FROM adjustment"


async def prepared(brand: Brand, **given: object) -> dict[str, Any]:
    values = {"reseller": "R1", "amount_minor": 100, "reason_code": "correction", "reference": "E1", "note": "", **given}
    return await adjustment.prepare(brand=brand, **values, now=FEBRUARY)  # type: ignore[arg-type] # of the test


async def count(brand: Brand) -> int:
    return len(await books.seen(brand, WRITTEN))


async def differences(brand: Brand) -> list[str]:
    return [each.sentence for each in (await checks.check(brand=brand, now=books.NOW)).differences]


async def test_from_the_request_to_the_statement(brand: Brand, team: desk.Team) -> None:
    approval_id = await desk.asked(brand, team.maker)
    payload = (await approvals.read(brand_id=brand.id, approval_id=approval_id)).payload
    code = payload.pop("code")
    assert payload == {
        "reseller": "R1", "amount_minor": -2500, "currency": "CNY", "reason_code": "correction", "reference_kind": "order",
        "reference": "E1", "note": "价格更正", "reason": "更正，订单 E1：价格更正", "dispute": None,
    }  # fmt: skip
    (waiting,) = (await adjustment_queries.listing(brand=brand)).rows
    assert (waiting.state, waiting.code, waiting.amount_minor, waiting.maker) == ("waiting", code, -2500, team.maker.user_id)
    assert await count(brand) == 0
    await desk.allowed(brand, team.checker, approval_id, FEBRUARY)
    assert await books.seen(brand, WRITTEN) == [("R1", -2500, "更正，订单 E1：价格更正", FEBRUARY, 2, 1)]
    assert await books.seen(brand, "SELECT number, accrued_at, accrued_through FROM intake WHERE number = 2") == [
        (2, FEBRUARY, 2)
    ]
    (due,) = (await adjustment_queries.listing(brand=brand)).rows
    assert (due.state, due.checker, due.approval, due.statement_no) == ("due", team.checker.user_id, approval_id, None)
    await desk.settle_february(brand)
    (settled,) = (await adjustment_queries.listing(brand=brand)).rows
    assert (settled.state, settled.statement_no) == ("settled", f"{brand.code}-202602-000001")
    figures = await books.seen(
        brand, "SELECT reseller, adjustment_minor, payable_minor, carried_minor FROM statement WHERE period = '2026-02-01'"
    )
    assert figures == [("R1", -2500, -2500, -2500)]
    assert await differences(brand) == []
    trail = await books.seen(brand, "SELECT subject, user_id, approval FROM audit_record WHERE action = 'adjustment.add'")
    assert trail == [(code, team.checker.user_id, approval_id)]


async def test_an_adjustment_waits_with_a_delivery_that_waits(brand: Brand, team: desk.Team) -> None:
    """It must not make the books believe that the delivery before it has been accrued."""
    async with db.atomic(brand.id):
        await db.connection().execute("INSERT INTO intake (brand_id, number, received_at) VALUES ($1, 2, $2)", brand.id, FEBRUARY)
    await desk.allowed(brand, team.checker, await desk.asked(brand, team.maker), FEBRUARY)
    assert await books.seen(brand, "SELECT number FROM intake WHERE accrued_at IS NULL ORDER BY 1") == [(2,), (3,)]
    await desk.settle_february(brand)
    assert await differences(brand) == []


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"reseller": "R9", "reference": "E1"}, {"reseller": "reseller.unknown"}),
        ({"reseller": ""}, {"reseller": "reseller.unknown"}),
        ({"reseller": "R\0"}, {"reseller": "reseller.unknown"}),
        ({"reference": " "}, {"reference": "reference.missing"}),
        ({"reference": "E2"}, {"reference": "reference.unknown"}),
        ({"reference": "E1\0"}, {"reference": "reference.unknown"}),
        ({"amount_minor": 0}, {"amount": "amount.zero"}),
        ({"amount_minor": 10**12}, {"amount": "amount.limit"}),
        ({"amount_minor": -(10**12)}, {"amount": "amount.limit"}),
        ({"reason_code": "bribe"}, {"reason": "reason.unknown"}),
        ({"reason_code": "dispute"}, {"reason": "reason.unknown"}),
        ({"reason_code": "other", "note": " "}, {"note": "note.missing"}),
        ({"note": "x" * 201}, {"note": "note.invalid"}),
        ({"note": "a\x07b"}, {"note": "note.invalid"}),
        (
            {"reseller": "R9", "amount_minor": 0, "reason_code": "", "reference": "", "note": "\0"},
            {"reseller": "reseller.unknown", "amount": "amount.zero", "reason": "reason.unknown", "note": "note.invalid"},
        ),
    ],
)  # fmt: skip
async def test_all_that_is_wrong_is_said(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, given: dict[str, object], faults: dict[str, str]
) -> None:
    before = await books.everything(owner)
    with pytest.raises(adjustment.AdjustmentInvalidError) as caught:
        await desk.asked(brand, team.maker, **given)
    assert caught.value.faults == faults
    assert await books.everything(owner) == before


async def test_what_it_may_refer_to(brand: Brand, tmp_path: Path) -> None:
    for reseller, reference, kind in (
        ("R1", "E1", "order"),
        ("R2", " E2 ", "order"),
        ("R1", f"{brand.code}-202601-000001", "statement"),
    ):
        found = await prepared(brand, reseller=reseller, reference=reference)
        assert (found["reference_kind"], found["reference"]) == (kind, reference.strip())
    with pytest.raises(adjustment.AdjustmentInvalidError):
        await prepared(brand, reseller="R2", reference=f"{brand.code}-202601-000001")
    other = await desk.settled(tmp_path, f"o-{uuid.uuid4().hex[:20]}")
    assert (await prepared(other, reference=f"{other.code}-202601-000001"))["reference_kind"] == "statement"
    with pytest.raises(adjustment.AdjustmentInvalidError):
        await prepared(brand, reference=f"{other.code}-202601-000001")


async def test_an_upline_refers_to_the_order_it_earned_on(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    folder = books.write(
        tmp_path / "up", code=f"up-{uuid.uuid4().hex[:20]}", compliance=books.INTL,
        resellers=["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,R1,gold,2026-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.1,0,,", "UP,percent,2,,,,,net,0.05,0,,"],
        orders=["E1,1,2026-01-10T10:00:00,R2,web,card,1,100.00,,"],
    )  # fmt: skip
    brand = await books.settled(folder, "2026-01")
    assert (await prepared(brand, reseller="R1"))["reference_kind"] == "order"


async def test_the_words_on_the_statement_are_in_the_brands_language(brand: Brand) -> None:
    english = msgspec.structs.replace(brand, locale="en")
    assert (await prepared(brand, note=""))["reason"] == "更正，订单 E1"
    assert (await prepared(english, note="two\n cards"))["reason"] == "Correction, order E1: two cards"


async def test_who_may_ask_and_who_may_allow(keys: crypto.Keys, brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    auditor = await people.member(keys, brand.id, "auditor")
    approval_id = await desk.asked(brand, team.maker)
    before = await books.everything(owner)
    for who in (auditor, team.of["R1"]):
        with pytest.raises(approvals.NotAllowedToAskError):
            await desk.asked(brand, who)
    for who in (auditor, team.maker, team.of["R1"]):
        with pytest.raises(approvals.NotAllowedToDecideError):
            await desk.allowed(brand, who, approval_id)
    assert await books.everything(owner) == before


async def test_another_brands_accountant_asks_for_nothing(
    keys: crypto.Keys, brand: Brand, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    other = await desk.settled(tmp_path, f"o-{uuid.uuid4().hex[:20]}")
    stranger = await people.member(keys, other.id, "accountant")
    before = await books.everything(owner)
    with pytest.raises(approvals.NotAllowedToAskError):
        await desk.asked(brand, stranger)
    assert await books.everything(owner) == before


async def test_what_was_not_allowed_is_not_written(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    waiting = await desk.asked(brand, team.maker)
    found = await approvals.read(brand_id=brand.id, approval_id=waiting)
    before = await books.everything(owner)
    with pytest.raises(approvals.ApprovalStateError):
        await adjustment.execute(brand=brand, approval=found, actor=people.actor(team.checker), now=FEBRUARY)
    assert await books.everything(owner) == before
    approved = await approvals.approve(
        principal=team.checker, brand_id=brand.id, approval_id=waiting, actor=people.actor(team.checker)
    )
    changed = msgspec.structs.replace(approved, payload={**approved.payload, "amount_minor": -2501})
    before = await books.everything(owner)
    with pytest.raises(approvals.ApprovalDiffersError):
        await adjustment.execute(brand=brand, approval=changed, actor=people.actor(team.checker), now=FEBRUARY)
    assert await books.everything(owner) == before


async def test_of_many_who_do_it_at_once_one_does(brand: Brand, team: desk.Team) -> None:
    approval_id = await desk.asked(brand, team.maker)
    approved = await approvals.approve(
        principal=team.checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(team.checker)
    )

    async def do() -> None:
        await adjustment.execute(brand=brand, approval=approved, actor=people.actor(team.checker), now=FEBRUARY)

    found = await asyncio.gather(*(do() for _ in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == [*["ApprovalStateError"] * 3, "NoneType"]
    assert await count(brand) == 1


async def test_of_two_who_decide_at_once_one_does(brand: Brand, team: desk.Team) -> None:
    approval_id = await desk.asked(brand, team.maker)
    found = await asyncio.gather(
        desk.allowed(brand, team.checker, approval_id), desk.allowed(brand, team.other, approval_id), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in found) == ["ApprovalStateError", "NoneType"]
    assert await count(brand) == 1


async def test_what_was_asked_for_under_a_code_is_asked_for_once(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection
) -> None:
    """A second click finds the request of the first, whatever became of it."""
    code = (await prepared(brand))["code"]
    first = await desk.asked(brand, team.maker, code=code)
    assert await desk.asked(brand, team.maker, code=code, note=" 价格更正 ") == first
    await desk.allowed(brand, team.checker, first)
    before = await books.everything(owner)
    assert await desk.asked(brand, team.maker, code=code) == first
    for who, changed in ((team.maker, {"amount_minor": -2501}), (team.maker, {"note": "x"}), (team.other, {})):
        with pytest.raises(adjustment.AdjustmentTakenError):
            await desk.asked(brand, who, code=code, **changed)
    assert await books.everything(owner) == before


async def test_a_code_that_was_made_up_is_not_taken(brand: Brand, team: desk.Team) -> None:
    for code in ("", "X", "ADJ-20260215-IIIIII", "ADJ-20260215-000000 "):
        approval_id = await desk.asked(brand, team.maker, code=code)
        given = (await approvals.read(brand_id=brand.id, approval_id=approval_id)).payload["code"]
        assert (given != code, adjustment.CODE.fullmatch(given) is not None) == (True, True)


async def test_of_many_who_ask_at_once_under_a_code_one_does(brand: Brand, team: desk.Team) -> None:
    code = (await prepared(brand))["code"]
    found = await asyncio.gather(*(desk.asked(brand, team.maker, code=code) for _ in range(4)))
    assert len(set(found)) == 1
    assert len(await approvals.listing(brand_id=brand.id)) == 1


async def test_control_without_the_lock_all_ask(brand: Brand, team: desk.Team, monkeypatch: pytest.MonkeyPatch) -> None:
    code, looked, standing = (await prepared(brand))["code"], asyncio.Barrier(3), adjustment._standing

    async def unlocked(*_given: object) -> None:
        await looked.wait()

    monkeypatch.setattr(adjustment, "_standing", unlocked)
    found = await asyncio.gather(*(desk.asked(brand, team.maker, code=code) for _ in range(3)))
    monkeypatch.setattr(adjustment, "_standing", standing)
    assert len(set(found)) == 3
    # the first that is allowed has the code; the others find it taken
    await desk.allowed(brand, team.checker, found[0])
    with pytest.raises(adjustment.AdjustmentTakenError):
        await desk.allowed(brand, team.checker, found[1])
    assert await count(brand) == 1


async def test_while_a_delivery_is_taken_in_it_says_so(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adjustment, "PATIENCE", "100ms")
    approval_id = await desk.asked(brand, team.maker)
    async with owner.transaction():
        await owner.execute("SELECT lock_brand($1, 'intake')", brand.id)
        with pytest.raises(adjustment.BooksBusyError):
            await desk.allowed(brand, team.checker, approval_id)
    assert (await approvals.read(brand_id=brand.id, approval_id=approval_id)).state == "waiting"
    assert await count(brand) == 0
    await desk.allowed(brand, team.checker, approval_id)
    assert await count(brand) == 1


async def test_a_code_that_a_delivery_took(brand: Brand, team: desk.Team, tmp_path: Path) -> None:
    approval_id = await desk.asked(brand, team.maker)
    code = (await approvals.read(brand_id=brand.id, approval_id=approval_id)).payload["code"]
    more = books.write(
        tmp_path / "more", code=brand.code, resellers=desk.RESELLERS, adjustments=[f"{code},R1,2026-02-01T10:00:00,1.00,x"]
    )
    await books.take_in(brand, more)
    with pytest.raises(adjustment.AdjustmentTakenError):
        await desk.allowed(brand, team.checker, approval_id)
    assert (await approvals.read(brand_id=brand.id, approval_id=approval_id)).state == "waiting"
    assert await books.seen(brand, "SELECT code, amount_minor FROM adjustment") == [(code, 100)]


async def test_a_dispute_ends_as_an_adjustment(brand: Brand, team: desk.Team) -> None:
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK)
    approval_id = await desk.asked(
        brand, team.maker, amount_minor=500, reason_code="dispute", reference=f"{brand.code}-202601-000001", dispute_id=opened
    )
    with pytest.raises(adjustment.AdjustmentPendingError):
        await prepared(brand, reason_code="dispute", dispute_id=opened)
    await desk.allowed(brand, team.checker, approval_id, FEBRUARY)
    for reseller in (None, "R1"):
        found = await dispute.read(brand_id=brand.id, dispute_id=opened, reseller=reseller)
        assert (found.state, found.adjustment_minor, found.answer) == ("adjusted", 500, None)
    assert (await dispute.read(brand_id=brand.id, dispute_id=opened)).decided_by == team.checker.user_id
    answering = await adjustment_queries.of_dispute(brand=brand, dispute_id=opened)
    assert answering is not None
    assert (answering.code, answering.state) == (found.adjustment, "due")
    with pytest.raises(dispute.DisputeStateError):
        await dispute.reject(brand=brand, dispute_id=opened, reason="x", actor=people.actor(team.checker))
    trail = await books.seen(brand, "SELECT action, approval FROM audit_record WHERE subject = $1 ORDER BY at, id", str(opened))
    assert trail == [("dispute.open", None), ("dispute.adjust", approval_id)]


async def test_a_dispute_that_was_rejected_meanwhile_is_not_adjusted(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection
) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    approval_id = await desk.asked(brand, team.maker, amount_minor=100, reason_code="dispute", dispute_id=opened)
    await dispute.reject(brand=brand, dispute_id=opened, reason="对", actor=people.actor(team.other))
    before = await books.everything(owner)
    with pytest.raises(dispute.DisputeStateError):
        await desk.allowed(brand, team.checker, approval_id)
    with pytest.raises(dispute.DisputeStateError):
        await prepared(brand, reason_code="dispute", dispute_id=opened)
    assert await books.everything(owner) == before


async def test_an_adjustment_for_a_dispute_is_its_resellers(brand: Brand, team: desk.Team) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    with pytest.raises(adjustment.AdjustmentInvalidError) as caught:
        await prepared(brand, reseller="R2", reference="E2", reason_code="dispute", dispute_id=opened)
    assert caught.value.faults == {"reseller": "reseller.unknown"}
    with pytest.raises(adjustment.AdjustmentInvalidError) as caught:
        await prepared(brand, reason_code="correction", dispute_id=opened)
    assert caught.value.faults == {"reason": "reason.unknown"}
    with pytest.raises(dispute.DisputeUnknownError):
        await prepared(brand, reason_code="dispute", dispute_id=uuid.uuid4())


async def test_the_listing_filters_and_sums_all_that_is_chosen(brand: Brand, team: desk.Team, tmp_path: Path) -> None:
    more = books.write(
        tmp_path / "more", code=brand.code, resellers=desk.RESELLERS, adjustments=["A1,R2,2026-02-01T10:00:00,7.00,sent"]
    )
    await books.take_in(brand, more)
    done = await desk.asked(brand, team.maker, amount_minor=300, reason_code="goodwill")
    await desk.allowed(brand, team.checker, done, FEBRUARY)
    turned_down = await desk.asked(brand, team.maker, amount_minor=-800)
    await approvals.reject(
        principal=team.checker, brand_id=brand.id, approval_id=turned_down, reason="no", actor=people.actor(team.checker)
    )
    await desk.asked(brand, team.maker, amount_minor=-50, reason_code="fee", reseller="R2", reference="E2")
    for wanted, sums in (
        ({}, (4, 1000, -850)),
        ({"states": ["waiting"]}, (1, 0, -50)),
        ({"states": ["waiting", "rejected"]}, (2, 0, -850)),
        ({"states": ["due"]}, (2, 1000, 0)),
        ({"states": ["settled"]}, (0, 0, 0)),
        ({"reason_code": "fee"}, (1, 0, -50)),
        ({"text": "二号"}, (2, 700, -50)),
        ({"text": "e2"}, (1, 0, -50)),
        ({"text": "%"}, (0, 0, 0)),
        ({"skip": 3, "most": 1}, (4, 1000, -850)),
    ):
        found = await adjustment_queries.listing(brand=brand, **wanted)
        assert (found.count, found.added_minor, found.taken_minor) == sums, wanted
    page = await adjustment_queries.listing(brand=brand, states=["rejected"])
    assert [(each.refusal, each.maker, each.checker) for each in page.rows] == [("no", team.maker.user_id, team.checker.user_id)]
    (sent,) = (await adjustment_queries.listing(brand=brand, text="A1")).rows
    assert (sent.reason, sent.maker, sent.reason_code) == ("sent", None, None)
