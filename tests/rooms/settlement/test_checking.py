"""The three-way check: each side on its own rows, and one minor unit on any of them is seen and stops the approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity.people import member
from tests.rooms.settlement.run_work import APRIL, MARCH, MAY, asked, drafted, issued, looked_at, stored

from qucheng.identity import approval
from qucheng.settlement import checking, run

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

# of March: orders, statements and ledger agree, and so many rows make it up
AGREED = {
    "opening": (0, 2, 2),
    "accrued": (98778, 6, 6),
    "reversed": (0, 0, 0),
    "bonus": (6508, 1, 1),
    "adjustment": (-1250, 1, 1),
    "payable": (104036, 2, 2),
    "tax": (2347, 2, 2),
    "net": (101689, 2, 2),
    "carried": (0, 2, 2),
}
OF_BRAND = "brand_id = (SELECT id FROM brand WHERE code = '{code}')"
POSTED = """
    INSERT INTO journal_entry (brand_id, code, period, document, position) SELECT id, 'planted', '2026-03-01', 'planted', 1 FROM brand WHERE code = '{code}';
    INSERT INTO posting (brand_id, entry, leg, account, debit_minor, credit_minor)
    SELECT id, 'planted', leg, account, debit, credit FROM brand, (VALUES (1, 'expense:commission', 1, 0), (2, 'liability:reseller:A02', 0, 1)) v (leg, account, debit, credit)
    WHERE code = '{code}'"""
# month, what the owner of the tables changes, the component, and how far statements and ledger are then from the orders
PLANTED: list[tuple[dt.date, str, str, int, int]] = [
    (MARCH, "UPDATE accrual SET amount_minor = amount_minor + 1 WHERE order_no = 'E1002' AND level = 1", "accrued", -1, -1),
    (
        MARCH,
        "UPDATE own_volume SET numerator = numerator + 50 WHERE reseller = 'A02' AND counted_in = '2026-03-01'",
        "bonus",
        -1,
        -1,
    ),
    (MARCH, "UPDATE adjustment SET amount_minor = amount_minor + 1, reseller = 'A02'", "adjustment", -1, -1),
    (APRIL, "UPDATE reversal_version SET amount_minor = amount_minor - 1 WHERE reseller = 'A02'", "reversed", 1, 1),
    (APRIL, "UPDATE accrual SET amount_minor = amount_minor + 1 WHERE order_no = 'E1002' AND level = 1", "opening", -1, -1),
    *[
        (
            MARCH,
            f"UPDATE run_statement SET {name}_minor = {name}_minor + 1 WHERE reseller = 'A02'",
            name,
            1,
            1 if name in {"tax", "net"} else 0,
        )
        for name in checking.PARTS
    ],
    (MARCH, "UPDATE run_entry SET amount_minor = amount_minor + 1 WHERE order_no = 'E1002' AND level = 1", "accrued", 0, 1),
    (MARCH, "UPDATE run_entry SET amount_minor = amount_minor + 1 WHERE kind = 'bonus'", "bonus", 0, 1),
    (MAY, POSTED, "opening", 0, 1),
]


async def plant(owner: asyncpg.Connection, brand: Brand, change: str) -> None:
    """As the owner of the tables, with the triggers off that would not let it be."""
    table = change.split()[1] if change.startswith("UPDATE") else None
    triggered = table is not None and await owner.fetchval(
        "SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = $1::text::regclass AND tgname = 'append_only')", table
    )
    where = "" if table is None else (" AND " if "WHERE" in change else " WHERE ") + OF_BRAND
    async with owner.transaction():
        if triggered:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        await owner.execute((change + where).replace("{code}", brand.code))
        if triggered:
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")


async def requests(brand: Brand) -> list[Any]:
    return await approval.listing(brand_id=brand.id, states=("waiting", "approved", "rejected", "expired", "executed"))


async def test_a_draft_that_adds_up_shows_the_same_three_times(tmp_path: Path) -> None:
    brand = await stored(tmp_path)
    found = await looked_at(brand, await drafted(brand, MARCH))
    assert (found.number, found.apart, found.named, found.checked_by, found.intake) == (1, 0, (), None, 1)
    seen = {part.name: (part.orders.minor, part.orders.entries, part.statements.entries) for part in found.parts}
    assert seen == AGREED
    assert all((part.statements_apart, part.ledger_apart) == (0, 0) for part in found.parts)
    assert await books.seen(brand, "SELECT number, checked_by, apart FROM run_check") == [(1, None, 0)]


async def test_an_issued_run_is_held_against_what_was_posted(tmp_path: Path, owner: asyncpg.Connection) -> None:
    brand = await stored(tmp_path)
    made = await issued(brand, MARCH)
    found = await looked_at(brand, made)
    assert found.apart == 0
    assert {part.name: part.ledger.minor for part in found.parts} == {name: figures[0] for name, figures in AGREED.items()}
    await plant(owner, brand, POSTED)
    again = await looked_at(brand, made)
    assert (again.number, again.apart, again.named, again.part("accrued").ledger_apart) == (2, 1, ("A02",), 1)


async def test_balances_of_earlier_months_are_openings_on_all_sides(tmp_path: Path) -> None:
    brand = await stored(tmp_path)
    found = await looked_at(brand, await drafted(brand, MAY))
    assert found.apart == 0
    opening, carried = found.part("opening"), found.part("carried")
    assert [side.minor for part in (opening, carried) for side in (part.orders, part.statements, part.ledger)] == [-18300] * 6


@pytest.mark.parametrize(("month", "change", "part", "statements", "ledger"), PLANTED, ids=lambda value: str(value)[:60])
async def test_one_minor_unit_anywhere_is_seen_and_stops_the_request(
    tmp_path: Path,
    keys: crypto.Keys,
    owner: asyncpg.Connection,
    month: dt.date,
    change: str,
    part: str,
    statements: int,
    ledger: int,
) -> None:
    brand = await stored(tmp_path)
    who = await member(keys, brand.id, "accountant")
    made = await drafted(brand, month)
    assert (await looked_at(brand, made, who)).apart == 0
    await plant(owner, brand, change)
    # what was seen before does not help: it is looked at once more
    with pytest.raises(checking.CheckDiffersError):
        await asked(brand, made, who)
    found = await looked_at(brand, made, who)
    seen = found.part(part)
    assert found.apart >= 1
    assert "A02" in found.named
    assert (seen.statements_apart, seen.ledger_apart) == (statements, ledger)
    with pytest.raises(checking.CheckDiffersError):
        await asked(brand, made, who)
    assert await requests(brand) == []


async def test_what_one_has_too_much_does_not_make_up_for_another(tmp_path: Path, owner: asyncpg.Connection) -> None:
    brand = await stored(tmp_path)
    made = await drafted(brand, MARCH)
    for sign, reseller in (("+", "A01"), ("-", "A02")):
        await plant(
            owner, brand, f"UPDATE run_statement SET accrued_minor = accrued_minor {sign} 1 WHERE reseller = '{reseller}'"
        )
    found = await looked_at(brand, made)
    assert (found.apart, found.named, found.part("accrued").statements_apart) == (2, ("A01", "A02"), 0)


async def test_nothing_is_asked_for_before_a_person_has_checked(tmp_path: Path, keys: crypto.Keys) -> None:
    brand = await stored(tmp_path)
    who = await member(keys, brand.id, "accountant")
    made = await drafted(brand, MARCH)
    for seen_by in (None, "platform"):
        if seen_by:
            await looked_at(brand, made)
        with pytest.raises(checking.CheckMissingError):
            await asked(brand, made, who)
    assert await requests(brand) == []
    await looked_at(brand, made, who)
    await asked(brand, made, who)
    assert [each.state for each in await requests(brand)] == ["waiting"]


async def test_a_check_is_out_of_date_when_something_was_accrued_since(tmp_path: Path, keys: crypto.Keys) -> None:
    brand = await stored(tmp_path)
    who = await member(keys, brand.id, "accountant")
    made = await drafted(brand, MARCH)
    await looked_at(brand, made, who)
    more = books.example(tmp_path / "more", code=brand.code)
    (more / "orders.csv").write_text(
        "order,line,paid_at,reseller,channel,sku,quantity,gross,discount,buyer\nE2001,1,2026-06-03T20:15:00,A02,mini,VIP-Y,1,258.00,,\n",
        encoding="utf-8",
    )
    for name in ("refunds", "adjustments", "rules", "placements"):
        path = more / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    await books.take_in(brand, more)
    with pytest.raises(checking.CheckStaleError):
        await asked(brand, made, who)
    assert await requests(brand) == []
    assert (await looked_at(brand, made, who)).apart == 0  # it is due in June
    await asked(brand, made, who)


async def test_there_is_nothing_to_check_of_a_discarded_run(tmp_path: Path) -> None:
    brand = await stored(tmp_path)
    made = await drafted(brand, MARCH)
    await run.discard(brand=brand, run=made, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await looked_at(brand, made)
    assert await books.seen(brand, "SELECT count(*) FROM run_check") == [(0,)]
