"""What people of a reseller find on their pages, and what is not there for them."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.insight.portal_brand import CHILD, PARENT, SIBLING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser
    from tests.doors.portal.conftest import SignedIn

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

STATEMENT = "/portal/statements/ours-202603-000002"
ROW = re.compile(r'<a class="row-link" href="/portal/orders/([^"#]+)#line-([^"]+)">')


def text(page: str) -> str:
    """Its words and figures, without the marks between them."""
    apart = re.sub(r"</(?:div|td|th|tr|li|p|dd|dt|h[1-6])>|<br>", " ", page)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", apart)))


def lines(page: str) -> list[str]:
    return [f"{order_no}/{line_no}" for order_no, line_no in ROW.findall(page)]


async def test_an_administrator_begins_with_four_figures(signed_in: SignedIn) -> None:
    """By now all of April is past its refund time: 20.00, 20.00, 6.00, 0.00 of its own, 11.00 of sales below."""
    admin = await signed_in()
    assert (await admin.open("/")).status_code == 200
    shown = text(admin.page)
    assert "Due ¥57.00 past the refund time, comes on the next statement" in shown
    assert "Pending ¥0.00 nothing waits for its refund time to end" in shown
    assert "Next payout ¥57.00 for 2026-04 so far, before tax; not before 2026-05-01" in shown
    assert re.search(r"Paid in 20\d\d ¥", shown)
    assert lines(admin.page) == ["O7/1", "O6/1", "O5/1", "O4/1", "O3/1", "O2/1"]
    assert "Depth in the channel1, at most 3" in shown
    assert "Fee for joining¥0.00" in shown


async def test_in_chinese_it_says_the_same(signed_in: SignedIn) -> None:
    admin = await signed_in()
    admin.language = "zh-CN"
    await admin.get("/portal")
    shown = text(admin.page)
    assert "可结算 ¥57.00 已过退款期，进入下一张结算单" in shown
    assert "下次打款 ¥57.00 2026-04 账期至今，税前，不早于 2026-05-01" in shown
    assert "第 1 层，层级上限 3 层" in shown
    for word in ("级别", "下级", "上级"):
        assert word not in shown


@pytest.mark.parametrize(("span", "bars"), [("7", 7), ("30", 30), ("nonsense", 30)])
async def test_the_chart_has_a_bar_for_each_day(signed_in: SignedIn, span: str, bars: int) -> None:
    admin = await signed_in()
    assert (await admin.get(f"/portal?range={span}")).status_code == 200
    assert admin.page.count('<rect class="bar-hit"') == bars
    assert (await admin.get("/portal?range=year")).status_code == 200
    assert "Commission by month" in admin.page


async def test_a_seller_sees_orders_and_no_statement(signed_in: SignedIn) -> None:
    seller = await signed_in("seller")
    await seller.get("/portal")
    assert "Next payout" not in seller.page
    assert "Earned this month" in seller.page
    assert "/portal/statements" not in seller.page
    await seller.get("/portal/orders?status=paid")
    assert lines(seller.page) == ["O1/2", "O1/1"]
    assert "ours-202603" not in seller.page
    await seller.get("/portal/orders/O1")
    assert "On the statement of 2026-03." in text(seller.page)
    assert "ours-202603" not in seller.page
    for path in ("/portal/statements", STATEMENT, f"{STATEMENT}/files/pdf", f"{STATEMENT}/rows/1", "/portal/team"):
        assert (await seller.get(path)).status_code == 404, path


async def test_the_filter_stands_in_the_address(signed_in: SignedIn) -> None:
    admin = await signed_in()
    await admin.get("/portal/orders?period=2026-04&status=due&text=card")
    assert lines(admin.page) == ["O3/1"]
    assert "1 line in all" in text(admin.page)
    links = re.findall(r'<a class="chip on" href="([^"]+)">', admin.page)
    assert [html.unescape(link) for link in links] == [
        "/portal/orders?status=due&text=card",
        "/portal/orders?period=2026-04&text=card",
        "/portal/orders?period=2026-04&status=due",
    ]
    await admin.get("/portal/orders?period=2026-13&status=what&after=x&before=y&from=-1")
    assert len(lines(admin.page)) == 8
    assert "8 lines in all 920.00 61.00" in text(admin.page)
    await admin.get("/portal/orders?text=%00%27%3B")
    assert "No order fits" in admin.page


async def test_a_line_is_explained(signed_in: SignedIn) -> None:
    admin = await signed_in()
    await admin.get("/portal/orders/O3")
    shown = text(admin.page)
    assert "Basis300.00paid by the buyer × Rate10.00%rule OWN = Commission30.00exactly" in shown
    assert "Due on 2026-04-17: paid 2026-04-10 10:00, then 7 days for refunds." in shown
    assert "On the statement of 2026-04, which is made after the end of that month." in shown
    assert "F1 · 2026-04-12 10:00 100.00 and 1 units went back. Counts from 2026-04-17 on.−10.00" in shown
    await admin.get("/portal/orders/O4")
    assert "Own purchases earn nothing." in admin.page
    await admin.get("/portal/orders/O5")
    assert "wholesale price" in admin.page


async def test_a_cap_is_told(signed_in: SignedIn) -> None:
    sibling = await signed_in(reseller=SIBLING)
    await sibling.get("/portal/orders/S2")
    shown = text(sibling.page)
    assert "Commission5.00capped, else 6.00" in shown
    assert "at most 50.00% of what the buyer paid: here 5.00 for everybody who earns on it." in shown
    await sibling.get("/portal/orders/S3")
    assert "Commission0.01rounded half up" in text(sibling.page)


async def test_of_a_sale_below_there_are_seven_things(signed_in: SignedIn) -> None:
    parent = await signed_in()
    await parent.get("/portal/orders/below?period=2026-04")
    (table,) = re.findall(r"<tbody>.*?</tbody>", parent.page, re.DOTALL)
    rows = [text(row).strip() for row in table.split("</tr>")]
    assert rows == ["C3 / 1 2026-04-16 tea 4 0.25 1.00", "C2 / 1 2026-04-15 card 500.00 2.00% 10.00", ""]
    assert "2 sales of the month" in text(parent.page)
    for hidden in ("二店", "茶饮券", "100.00"):  # who sold it, what it is called, what was paid
        assert hidden not in table
    child = await signed_in(reseller=CHILD)
    await child.get("/portal/orders/below?period=2026-04")
    assert "Nothing in 2026-04" in child.page


async def test_where_one_level_earns_there_is_no_page_of_sales_below(
    house: browser.House, signed_in: SignedIn, tmp_path: Path
) -> None:
    assert house
    strict = await books.found(books.write(tmp_path / "strict", code="strict"))
    await books.take_in(strict, tmp_path / "strict")
    admin = await signed_in(reseller="R1", of=strict)
    await admin.get("/portal/orders")
    assert "/portal/orders/below" not in admin.page
    assert (await admin.get("/portal/orders/below")).status_code == 404
    await admin.get("/portal")
    assert "No orders yet" in admin.page
    await admin.get("/portal/profile")
    assert "only the seller earns" in admin.page


@pytest.mark.parametrize("reseller", [PARENT, CHILD, SIBLING])
async def test_what_is_anothers_is_not_there(signed_in: SignedIn, other: Brand, reseller: str) -> None:
    """Of a parent, of one placed under it, of one beside it, and the same numbers of another brand."""
    admin, stranger = await signed_in(reseller=reseller), await signed_in(reseller=reseller, of=other)
    own = {PARENT: ("O1", "ours-202603-000002"), CHILD: ("C1", "ours-202603-000001"), SIBLING: ("S1", "ours-202603-000003")}
    for whose, (order_no, statement_no) in own.items():
        wanted = 200 if whose == reseller else 404
        paper = f"/portal/statements/{statement_no}"
        for path in (f"/portal/orders/{order_no}", paper, f"{paper}/rows/1"):
            assert (await admin.get(path)).status_code == wanted, path
        for path in (paper, f"{paper}/rows/1", f"{paper}/files/pdf"):
            assert (await stranger.get(path)).status_code == 404, path


@pytest.mark.parametrize("role", ["owner", "accountant", "auditor", "support"])
async def test_people_of_the_brand_have_pages_of_their_own(signed_in: SignedIn, role: str) -> None:
    found = await signed_in(role, reseller=None)
    if role in {"owner", "accountant"}:
        await found.enrol()
    for path in (
        "/portal",
        "/portal/orders",
        "/portal/orders/O1",
        "/portal/orders/below",
        STATEMENT,
        "/portal/team",
        "/portal/profile",
    ):
        assert (await found.get(path)).status_code == 404, path


@pytest.mark.parametrize(
    "path",
    [
        "/portal/orders/%00",
        "/portal/orders/" + "x" * 41,
        "/portal/statements/%27",
        "/portal/statements/ours-202603-999999",
        f"{STATEMENT}/rows/0",
        f"{STATEMENT}/rows/9999999999999",
        f"{STATEMENT}/rows/99",
        f"{STATEMENT}/files/exe",
    ],
)
async def test_addresses_that_lead_nowhere(signed_in: SignedIn, path: str) -> None:
    assert (await (await signed_in()).get(path)).status_code == 404


async def test_the_profile_says_where_it_stands(signed_in: SignedIn) -> None:
    child = await signed_in("seller", reseller=CHILD)
    await child.get("/portal/profile")
    shown = text(child.page)
    assert "Reseller codeC" in shown
    assert "Kindindividual" in shown
    assert "Tier 2026-05-01 nobody 金牌 2026-02-01 P 普通 " in shown
    assert "Who earns on a salethe seller and at most two above it earn" in shown
