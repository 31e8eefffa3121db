"""The bell and the page of notifications: one's own in one's role, opened, marked and chosen; in both languages; without a script."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, crypto
from qucheng.identity import membership as memberships
from qucheng.identity import notification, notification_settings

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account.browser import Browser, House

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

BELL = re.compile(r'<a class="icon-btn" href="/notifications" aria-label="([^"]*)"')
ROW = re.compile(r'/notifications/([0-9a-f-]{36})/(open|read)"')
TITLES = re.compile(r'<p(?: class="medium")?>([^<]+?)(?: <span|</p>)')
MANY = {
    "approval.waiting": {"action": "prices.publish"},
    "approval.decided": {"action": "run.issue", "state": "rejected"},
    "application.received": {},
    "dispute.opened": {"statement_no": "b-202610-000001", "reseller": "R1"},
    "plan.published": {"version": 2, "effective_on": "2026-12-01"},
    "task.failed": {"task": "settlement.settle", "brand": "lanxi"},
    "stock.low": {"count": 2, "alerts": []},
    "risk.found": {"count": 1, "alerts": [{"rule": "refund.share", "reseller": "R1"}]},
}
SAID = {
    "en": {
        "approval.waiting": "Waits for your decision: ",
        "approval.decided": "Rejected: Issue a settlement run",
        "application.received": "Somebody applies to become a reseller",
        "dispute.opened": "R1 disputes a row of statement b-202610-000001",
        "plan.published": "Commission plan 2 is in force from 1 Dec 2026",
        "task.failed": "Failed and not tried again: Settlement · lanxi",
        "stock.low": "2 pools run low",
        "risk.found": "1 new risk was found",
    },
    "zh-CN": {
        "approval.waiting": "待你决定：",
        "approval.decided": "已驳回：出具结算批次",
        "application.received": "有人申请成为分销商",
        "dispute.opened": "R1 对结算单 b-202610-000001 的一行提出异议",
        "plan.published": "佣金方案第 2 版自 2026 年 12 月 1 日起生效",
        "task.failed": "失败且不再重试：结算 · lanxi",
        "stock.low": "2 个券池库存不足",
        "risk.found": "发现 1 条新的风险",
    },
}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


async def signed_in(house: House, brand: Brand, role: Any = "auditor", reseller: str | None = None) -> tuple[Browser, uuid.UUID]:
    login, found = f"{crypto.token()[:12].lower().strip('-_')}@example.com", await house.browser()
    who = await people.member(house.keys, brand.id, role, reseller=reseller, login=login)
    await found.sign_in(login)
    return found, who.user_id


async def tell(brand: Brand, kind: Any = "plan.published", subject: str = "1", **given: Any) -> int:
    values = given.pop("values", {"version": 2, "effective_on": "2026-12-01"})
    return await notification.tell(brand_id=brand.id, kind=kind, subject=subject, values=values, **given)


async def bell(browser: Browser, path: str = "/account") -> str:
    await browser.get(path)
    (found,) = BELL.findall(browser.page)
    return str(found)


async def test_the_bell_counts_what_is_unread(house: House, brand: Brand) -> None:
    browser, _ = await signed_in(house, brand)
    assert await bell(browser) == "Notifications"
    for subject in ("1", "2"):
        await tell(brand, subject=subject)
    assert await bell(browser) == "Notifications, 2 unread"
    assert '<span class="count num" aria-hidden="true">2</span>' in browser.page
    browser.language = "zh-CN"
    assert await bell(browser) == "通知，2 条未读"
    await browser.get("/notifications")
    await browser.send("/notifications/read", until=browser.hidden("until"))
    assert await bell(browser) == "通知"
    assert 'class="count' not in browser.page


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_kind_has_its_sentence(house: House, brand: Brand, language: str) -> None:
    browser, user_id = await signed_in(house, brand, "support")
    for role in ("owner", "manager", "accountant"):
        await memberships.grant(
            brand_id=brand.id, user_id=user_id, role=role, granted_by=None, actor=audit.SYSTEM, now=people.NOW
        )
    await browser.enrol()
    await browser.get("/roles")
    owner = next(each for each in await memberships.of(user_id) if each.role == "owner")
    await browser.send("/roles", membership=str(owner.id))
    for kind, values in MANY.items():
        assert await tell(brand, kind, kind, values=values) >= 1
    browser.language = language
    await browser.get("/notifications")
    shown = [title.strip() for title in TITLES.findall(browser.page)]
    for sentence in SAID[language].values():
        assert [title for title in shown if title.startswith(sentence)], (sentence, shown)
    assert len([title for title in shown if any(title.startswith(each) for each in SAID[language].values())]) == len(MANY)


async def test_opened_it_is_read_and_leads_to_its_page(house: House, brand: Brand) -> None:
    browser, user_id = await signed_in(house, brand)
    await tell(brand)
    await tell(brand, subject="2")
    await browser.get("/notifications")
    newest = ROW.findall(browser.page)[0][0]
    answer = await browser.send(f"/notifications/{newest}/open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans")
    assert await bell(browser) == "Notifications, 1 unread"
    await browser.get("/notifications?unread=1")
    ((left, _), *_) = ROW.findall(browser.page)
    assert left != newest
    assert (await browser.send(f"/notifications/{left}/read")).headers["location"] == "/notifications"
    assert await books.seen(brand, "SELECT count(*) FROM notification WHERE user_id = $1 AND read_at IS NULL", user_id) == [(0,)]
    await browser.get("/notifications?unread=1")
    assert "Nothing unread" in browser.page


async def test_what_came_after_the_page_was_shown_stays_unread(house: House, brand: Brand) -> None:
    browser, _ = await signed_in(house, brand)
    await tell(brand)
    await browser.get("/notifications")
    until = browser.hidden("until")
    await tell(brand, subject="2")
    await browser.send("/notifications/read", until=until)
    assert await bell(browser) == "Notifications, 1 unread"
    for wrong in ("", "yesterday", "2026-11-22T00:00:00"):
        assert (await browser.send("/notifications/read", until=wrong)).status_code == 404
        await browser.get("/notifications")
    assert await bell(browser) == "Notifications, 1 unread"


async def test_a_choice_is_kept_and_told(house: House, brand: Brand) -> None:
    browser, user_id = await signed_in(house, brand, "admin", "R1")
    await browser.get("/notifications/settings")
    rows = re.findall(r'name="((?:app|mail)-[a-z.]+)" value="on"( checked)?', browser.page)
    assert rows == [
        ("app-statement.published", " checked"), ("mail-statement.published", " checked"),
        ("app-dispute.decided", " checked"), ("mail-dispute.decided", ""),
        ("app-price.change", " checked"), ("mail-price.change", " checked"),
        ("app-agreement.published", " checked"), ("mail-agreement.published", ""),
    ]  # fmt: skip
    sent = {"app-statement.published": "on", "app-price.change": "on", "mail-agreement.published": "on", "app-task.failed": "on"}
    answer = await browser.send("/notifications/settings", **sent)
    assert answer.headers["location"] == "/notifications/settings?done=1"
    await browser.open(answer.headers["location"])
    assert "Your choice is saved." in browser.page
    chosen = await notification_settings.read(user_id=user_id)
    kinds = notification_settings.kinds("admin")
    assert {kind: (chosen[kind].app, chosen[kind].mail) for kind in kinds} == {
        "statement.published": (True, False), "dispute.decided": (False, False),
        "price.change": (True, False), "agreement.published": (False, True),
    }  # fmt: skip
    assert await books.seen(brand, "SELECT count(*) FROM notification_setting WHERE user_id = $1", user_id) == [(4,)]


async def test_those_of_other_roles_are_counted_and_not_shown(house: House, brand: Brand) -> None:
    browser, user_id = await signed_in(house, brand)
    await memberships.grant(
        brand_id=brand.id, user_id=user_id, role="admin", reseller="R1", granted_by=None, actor=audit.SYSTEM, now=people.NOW
    )
    values = {"statement_no": "secret-202610-000001", "period": "2026-10-01", "number": 1}
    await tell(brand, "statement.published", reseller="R1", values=values)
    await browser.get("/notifications")
    assert "No notifications yet" in browser.page
    assert "secret-202610" not in browser.page
    assert re.search(rf"Reseller administrator · .*{brand.name}, reseller R1</span><span>1 unread</span>", browser.page)


async def test_with_nothing_chosen_yet_there_is_nothing(house: House, brand: Brand) -> None:
    login, browser = f"{crypto.token()[:12].lower().strip('-_')}@example.com", await house.browser()
    await people.person(house.keys, login)
    await browser.sign_in(login)
    assert (await browser.get("/notifications")).status_code == 200
    assert "No notifications yet" in browser.page
    await browser.get("/notifications/settings")
    assert "Nothing to choose" in browser.page
    assert brand


async def test_pages_of_many(house: House, brand: Brand, owner: asyncpg.Connection) -> None:
    browser, user_id = await signed_in(house, brand)
    await tell(brand)
    await owner.execute(
        "INSERT INTO notification (brand_id, id, user_id, kind, subject, content, shown, mail, told_at)"
        " SELECT brand_id, gen_random_uuid(), user_id, kind, 'n' || i, content, true, 'none', told_at - make_interval(hours => i)"
        " FROM notification, generate_series(1, 120) i WHERE user_id = $1",
        user_id,
    )
    assert await bell(browser, "/notifications?page=5") == "Notifications, 121 unread"
    assert ">99+<" in browser.page
    assert "121–121 of 121" in browser.page
    assert len(set(ROW.findall(browser.page))) == 2
    assert (await browser.get("/notifications?page=6")).status_code == 404
    await browser.get("/notifications?unread=1&page=x")
    assert "1–30 of 121" in browser.page
    assert 'href="?unread=1&amp;page=2"' in browser.page
