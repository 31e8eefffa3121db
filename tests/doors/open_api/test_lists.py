"""Lists: whole over their pages, in the order they promise, and of nobody else."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.doors.open_api import callers
from tests.rooms.core.reseller_brand import CHILD, RESELLERS, ROOT, SIBLING

from qucheng.identity import api_key
from qucheng.settlement import document_folder

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

READS = [name for name, scope in api_key.SCOPES.items() if not scope.money]
OWN = [name for name, scope in api_key.SCOPES.items() if scope.reseller]
LISTS = {
    "resellers": "code",
    "orders": "orderNo",
    "entries": "id",
    "statements": "statementNo",
    "runs": "id",
    "journal": "code",
    "trial-balance": "account",
    "adjustments": "code",
}
NEVER = ("cost", "buyer", "identity", "60.00", "id-R-", "buyer-of")


def cny(text: str) -> dict[str, str]:
    return {"amount": text, "currency": "CNY"}


@pytest.fixture
async def machine(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> callers.Machine:
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, computed_at, discarded_at)"
        " SELECT $1, '2026-02-01', n, 'discarded', 1, 4, 7280, 0, 7280, '2026-03-01T00:00Z', '2026-03-02T00:00Z' FROM generate_series(1, 3) n"
        " ON CONFLICT DO NOTHING",
        brand.id,
    )
    return await make(brand, *READS)


@pytest.mark.parametrize("name", LISTS)
async def test_page_by_page_it_is_the_whole_list_once(machine: callers.Machine, name: str) -> None:
    whole = (await machine.get(f"/api/v1/{name}", limit=200)).json()
    assert whole["next"] is None
    assert len(whole["items"]) >= 3
    for limit in (1, 2, 3):
        assert await callers.every(machine, f"/api/v1/{name}", limit=limit) == whole["items"]
    keys = [each[LISTS[name]] for each in whole["items"]]
    assert len(set(keys)) == len(keys)
    if name not in {"entries", "journal"}:
        assert keys == sorted(keys)
    exactly = (await machine.get(f"/api/v1/{name}", limit=len(keys))).json()
    assert exactly["next"] is None


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_is_of_its_list_its_filters_and_its_key(
    machine: callers.Machine, make: callers.Make, brand: Brand, name: str
) -> None:
    given = (await machine.get(f"/api/v1/{name}", limit=1)).json()["next"]
    forged = given[:-1] + ("A" if given[-1] != "A" else "B")
    elsewhere = "/api/v1/orders" if name != "orders" else "/api/v1/resellers"
    ours = base64.urlsafe_b64encode(b"\0" * 16 + b'"O-R-child"').decode().rstrip("=")
    for path, cursor in (
        (f"/api/v1/{name}", forged),
        (f"/api/v1/{name}", ours),
        (f"/api/v1/{name}", given + "AAAA"),
        (f"/api/v1/{name}", ""),
        (f"/api/v1/{name}", "é"),
        (elsewhere, given),
    ):
        answer = await machine.get(path, cursor=cursor)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor.unknown"), cursor
    if name in {"resellers", "orders", "entries", "statements"}:
        own = await make(brand, *OWN, reseller=CHILD)
        assert (await own.get(f"/api/v1/{name}", cursor=given)).json()["code"] == "cursor.unknown"
    if name in {"orders", "entries", "statements", "adjustments"}:
        answer = await machine.get(f"/api/v1/{name}", cursor=given, reseller=ROOT)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor.unknown")
    assert (await machine.get(f"/api/v1/{name}", cursor=given, limit=2)).status_code == 200


async def test_every_parameter_that_is_wrong_is_told(machine: callers.Machine) -> None:
    answer = await machine.client.get(
        "/api/v1/entries?limit=201&limit=1&period=2026-13&order=&kind=salary&who=me&reseller=%00",
        headers={"authorization": f"Bearer {machine.issued.token}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "request.parameters")
    assert [(each["parameter"], each["code"], each["detail"]) for each in answer.json()["errors"]] == [
        ("limit", "repeated", "Send it once."),
        ("period", "invalid", "Expected str matching regex '^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$'."),
        ("order", "invalid", "Expected str of length >= 1."),
        ("kind", "invalid", "One of accrual, reversal, adjustment, bonus."),
        ("who", "unknown", "There is no such parameter."),
        ("reseller", "characters", "A character in this cannot be stored."),
    ]
    for limit in ("0", "201", "-1", "1.5", "x", "", "9" * 40):
        answer = await machine.get("/api/v1/orders", limit=limit)
        assert [each["parameter"] for each in answer.json()["errors"]] == ["limit"], limit
    for day in ("2026-02-30", "yesterday", "", "0000-01-01"):
        assert (await machine.get("/api/v1/orders", paidFrom=day)).status_code == 400, day


async def test_an_order_with_its_lines_and_refunds(machine: callers.Machine) -> None:
    found = (await machine.get("/api/v1/orders/O-R-child")).json()
    # number, day, what the seller earned after refunds
    lines = [("1", 1, None), ("2", 2, "5.20"), ("3", 3, "10.30"), ("held", 2, "10.20")]
    states = {"1": "none", "held": "due"}  # a sample row: no statement has it
    assert found == {
        "orderNo": "O-R-child",
        "source": None,
        "placedAt": None,
        "stockState": None,
        "lines": [
            {
                "lineNo": line,
                "reseller": "R-child",
                "channel": "web",
                "sku": "card",
                "paidAt": f"2026-02-1{day}T02:00:00Z",
                "quantity": 1,
                "gross": cny(f"10{day}.00"),
                "discount": cny("0.00"),
                "net": cny(f"10{day}.00"),
                "selfPurchase": line == "1",
                "state": states.get(line, "settled"),
                "earned": earned and cny(earned),
                "maturesAt": earned and f"2026-02-1{day}T02:00:00Z",
            }
            for line, day, earned in lines
        ],
        "refunds": [
            {"refundNo": "F-R-child", "lineNo": "2", "refundedAt": "2026-02-20T02:00:00Z", "quantity": 1, "amount": cny("50.00")}
        ],
    }
    (listed,) = (await machine.get("/api/v1/orders", reseller="R-child")).json()["items"]
    assert listed == found


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"orderNo": "O-R-root"}, ["O-R-root"]),
        ({"orderNo": "O-R-r"}, []),
        ({"reseller": ROOT}, ["O-R-root"]),
        ({"sku": "card", "channel": "web"}, [f"O-{name}" for name in sorted(RESELLERS)]),
        ({"sku": "none"}, []),
        ({"paidFrom": "2026-02-13", "paidTo": "2026-02-14", "reseller": SIBLING}, ["O-R-sibling"]),
        ({"paidFrom": "2026-02-14"}, []),
        ({"paidTo": "2026-02-11"}, []),
        ({"paidTo": "9999-12-31", "paidFrom": "0001-01-01"}, [f"O-{name}" for name in sorted(RESELLERS)]),
    ],
)
async def test_orders_as_asked(machine: callers.Machine, query: dict[str, str], numbers: list[str]) -> None:
    assert [each["orderNo"] for each in await callers.every(machine, "/api/v1/orders", **query)] == numbers


async def test_entries_are_those_of_the_books(machine: callers.Machine, brand: Brand) -> None:
    found = await callers.every(machine, "/api/v1/entries", limit=7)
    stored = await books.seen(
        brand,
        "SELECT 'accrual', reseller, amount_minor FROM accrual UNION ALL SELECT 'reversal', reseller, amount_minor FROM reversal"
        " UNION ALL SELECT 'adjustment', reseller, amount_minor FROM adjustment UNION ALL SELECT 'bonus', reseller, amount_minor FROM bonus",
    )
    as_stored = [(each["kind"], each["reseller"], int(each["amount"]["amount"].replace(".", ""))) for each in found]
    assert sorted(as_stored) == sorted(stored)
    by_id = {each["id"]: each for each in found}
    assert by_id["accrual/O-R-child/2/2"] == {
        "id": "accrual/O-R-child/2/2",
        "kind": "accrual",
        "reseller": "R-root",
        "amount": cny("3.06"),
        "orderNo": "O-R-child",
        "lineNo": "2",
        "level": 2,
        "refundNo": None,
        "adjustment": None,
        "rule": "UP",
        "rate": "0.03",
        "basis": {"kind": "net", "amount": cny("102.00"), "quantity": None},
        "ofPeriod": None,
        "occurredOn": "2026-02-12",
        "availableOn": "2026-02-12",
        "statementNo": "ours-202602-000003",
    }
    bonus = by_id["bonus/2026-02-01/R-child/VOLUME/2026-02-01"]
    assert (bonus["ofPeriod"], bonus["rate"], bonus["orderNo"]) == ("2026-02", "0:0;50:0.01", None)
    assert by_id["reversal/O-R-child/2/1/F-R-child"]["refundNo"] == "F-R-child"
    assert by_id["adjustment/A-R-child"]["adjustment"] == "A-R-child"


@pytest.mark.parametrize(
    "query",
    [
        {"statement": "ours-202602-000001"},
        {"reseller": CHILD},
        {"reseller": CHILD, "period": "2026-02"},
        {"order": "O-R-child", "kind": "accrual"},
        {"kind": "bonus", "period": "2026-02", "limit": 1},
    ],
)
async def test_entries_as_asked(machine: callers.Machine, query: dict[str, Any]) -> None:
    whole, found = await callers.every(machine, "/api/v1/entries"), await callers.every(machine, "/api/v1/entries", **query)
    wanted = {"statement": "statementNo", "reseller": "reseller", "order": "orderNo", "kind": "kind"}
    asked = {wanted[name]: value for name, value in query.items() if name in wanted}
    month = query.get("period", "").replace("-", "")
    assert found == [each for each in whole if asked.items() <= each.items() and month in (each["statementNo"] or "")]
    assert found


async def test_no_entry_of_another_month(machine: callers.Machine) -> None:
    assert await callers.every(machine, "/api/v1/entries", period="2026-03") == []
    assert await callers.every(machine, "/api/v1/statements", period="2026-03") == []
    assert await callers.every(machine, "/api/v1/journal", period="2026-03") == []


async def test_a_statement_adds_up_to_its_entries(machine: callers.Machine) -> None:
    for statement in await callers.every(machine, "/api/v1/statements"):
        whole = (await machine.get(f"/api/v1/statements/{statement['statementNo']}")).json()
        assert {name: whole[name] for name in statement} == statement
        entries = await callers.every(machine, "/api/v1/entries", statement=statement["statementNo"])
        cents = {name: int(whole[name]["amount"].replace(".", "")) for name in ("opening", "payable", "tax", "net", "carried")}
        assert cents["opening"] + sum(int(each["amount"]["amount"].replace(".", "")) for each in entries) == cents["payable"]
        assert cents["payable"] - cents["tax"] == cents["net"] + cents["carried"]
        assert [each["format"] for each in whole["documents"]] == ["pdf"]


async def test_journal_and_trial_balance_balance(machine: callers.Machine) -> None:
    journal = await callers.every(machine, "/api/v1/journal", limit=3)
    sums: dict[str, int] = {}
    for entry in journal:
        legs = [
            (leg["account"], *(int(leg[side]["amount"].replace(".", "")) for side in ("debit", "credit")))
            for leg in entry["postings"]
        ]
        assert sum(debit - credit for _, debit, credit in legs) == 0
        for account, debit, credit in legs:
            sums[account] = sums.get(account, 0) + debit - credit
    answer = (await machine.get("/api/v1/trial-balance", limit=2)).json()
    assert (answer["totalDebit"], answer["totalDebit"]) == (answer["totalCredit"], answer["totalCredit"])
    rows = await callers.every(machine, "/api/v1/trial-balance", limit=2)
    assert {row["account"]: int(row["balance"]["amount"].replace(".", "")) for row in rows} == sums
    before = (await machine.get("/api/v1/trial-balance", through="2026-01")).json()
    assert (before["items"], before["totalDebit"]) == ([], cny("0.00"))
    one = await callers.every(machine, "/api/v1/journal", account="asset:bank")
    assert {entry["code"].rpartition("/")[2] for entry in one} == {"payout"}


@pytest.mark.parametrize("reseller", RESELLERS)
async def test_a_resellers_key_sees_its_own_and_nothing_else(make: callers.Make, brand: Brand, reseller: str) -> None:
    own, whole = await make(brand, *OWN, reseller=reseller), await make(brand, *READS)
    for name in ("orders", "entries", "statements"):
        seen = await callers.every(own, f"/api/v1/{name}", limit=2)
        mine = [each for each in await callers.every(whole, f"/api/v1/{name}") if f'"{reseller}"' in str(each).replace("'", '"')]
        assert seen == [each for each in mine if each.get("reseller", reseller) == reseller], name
        assert seen
    (self_,) = await callers.every(own, "/api/v1/resellers")
    assert (self_["code"], "parent" in self_) == (reseller, False)
    for other in RESELLERS:
        expected = 200 if other == reseller else 404
        assert (await own.get(f"/api/v1/orders/O-{other}")).status_code == expected
        assert (await own.get(f"/api/v1/resellers/{other}")).status_code == expected
        if other != reseller:
            assert await callers.every(own, "/api/v1/entries", reseller=other) == []
            assert await callers.every(own, "/api/v1/statements", reseller=other) == []
    for statement in await callers.every(whole, "/api/v1/statements"):
        answer = await own.get(f"/api/v1/statements/{statement['statementNo']}")
        assert answer.status_code == (200 if statement["reseller"] == reseller else 404)
        answer = await own.get(f"/api/v1/statements/{statement['statementNo']}/documents/pdf")
        assert answer.status_code == (409 if statement["reseller"] == reseller else 404)


async def test_another_brands_key_sees_nothing_of_this_one(make: callers.Make, brand: Brand, other: Brand) -> None:
    assert brand
    theirs = await make(other, *READS)
    for name in ("orders", "entries", "statements", "journal"):
        assert "ours" not in str(await callers.every(theirs, f"/api/v1/{name}"))
    assert (await theirs.get("/api/v1/statements/ours-202602-000001")).status_code == 404
    assert (await theirs.get("/api/v1/statements/ours-202602-000001/documents/pdf")).status_code == 404


@pytest.mark.parametrize("reseller", [None, ROOT])
async def test_no_answer_holds_a_cost_or_a_buyer(make: callers.Make, brand: Brand, reseller: str | None) -> None:
    machine = await make(brand, *(READS if reseller is None else OWN), reseller=reseller)
    for name in LISTS:
        answer = await machine.get(f"/api/v1/{name}")
        assert answer.status_code == (200 if reseller is None or f"{name}.read" in OWN else 403)
        assert [word for word in NEVER if word in answer.text] == [], name


async def test_a_statement_is_its_resellers_once_it_is_published(
    make: callers.Make, other: Brand, owner: asyncpg.Connection
) -> None:
    whole, own = await make(other, *READS), await make(other, *OWN, reseller=ROOT)
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, issued, gross_minor, tax_minor, net_minor, computed_at, issued_at)"
        " VALUES ($1, '2026-02-01', 1, 'issued', 1, 4, 4, 7280, 0, 7280, now(), now())",
        other.id,
    )
    assert await callers.every(own, "/api/v1/statements") == []
    assert (await own.get("/api/v1/statements/theirs-202602-000003")).status_code == 404
    entries = await callers.every(own, "/api/v1/entries")
    assert {each["statementNo"] for each in entries} == {None}
    (hidden,) = await callers.every(whole, "/api/v1/statements", reseller=ROOT)
    assert hidden["publishedAt"] is None
    await owner.execute("UPDATE settlement_run SET published_at = '2026-03-05T08:00:00Z' WHERE brand_id = $1", other.id)
    (shown,) = await callers.every(own, "/api/v1/statements")
    assert (shown["statementNo"], shown["publishedAt"]) == (hidden["statementNo"], "2026-03-05T08:00:00Z")


async def test_the_bytes_of_a_document(
    house: browser.House, machine: callers.Machine, brand: Brand, owner: asyncpg.Connection
) -> None:
    folder = document_folder.place(house.app.state["site"].settings.documents, brand, dt.date(2026, 2, 1))
    folder.mkdir(parents=True)
    content, number = "编号,金额\n1,2.50\n".encode(), "ours-202602-000002"
    folder.joinpath(f"{number}.csv").write_bytes(content)
    await owner.execute(
        "INSERT INTO document_file (brand_id, period, number, format, state, sha256, bytes, made_at)"
        " VALUES ($1, '2026-02-01', 2, 'csv', 'ready', encode(sha256($2), 'hex'), length($2), now())",
        brand.id,
        content,
    )
    answer = await machine.get(f"/api/v1/statements/{number}/documents/csv")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{number}.csv"'
    folder.joinpath(f"{number}.csv").write_bytes(content + b"3,4\n")
    answer = await machine.get(f"/api/v1/statements/{number}/documents/csv")
    assert (answer.status_code, answer.json()["code"]) == (409, "document.changed")
    answer = await machine.get(f"/api/v1/statements/{number}/documents/xlsx")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (409, "document.waiting", "10")
    answer = await machine.get(f"/api/v1/statements/{number}/documents/pdf")
    assert (answer.status_code, answer.json()["code"]) == (409, "document.failed")
