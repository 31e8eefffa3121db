"""Notifications as letters: gathered by person and kind, an hour apart, in the reader's language; and a server that is down loses none."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.connectors import mail
from qucheng.core import audit, clock, crypto, db, ids, settings, task
from qucheng.identity import membership as memberships
from qucheng.identity import notification, notification_mail, notification_settings
from qucheng.identity import user as users
from qucheng.jobs import handlers, notices, runner

if TYPE_CHECKING:
    import email.message
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

RESELLER = "R1"
START = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
STATEMENT = {"statement_no": "b-202610-000007", "period": "2026-10-01", "number": 7}
CHANGES: dict[str, Any] = {
    "version": 4,
    "effective_on": "2026-12-01",
    "count": 7,
    "changes": [
        {"sku": "card", "name": "会员月卡", "channel": "web", "on": "2026-12-01", "old_minor": 1200, "new_minor": 1100},
        {"sku": "tea", "name": "Tea", "channel": "shop", "on": "2026-12-01", "old_minor": 123456, "new_minor": None},
        {"sku": "cup", "name": "Cup", "channel": "web", "on": "2026-12-01", "old_minor": None, "new_minor": 5},
    ],
}


class Post:
    """Keeps what it is given; while it is down it takes nothing. never: addresses that it will not write to."""

    def __init__(self) -> None:
        self.sent: list[email.message.EmailMessage] = []
        self.down = False
        self.never: set[str] = set()
        self.later: set[str] = set()
        self.asked = 0

    async def send(self, message: email.message.EmailMessage) -> None:
        self.asked += 1
        if self.down or message["To"] in self.later:
            raise OSError("the mail server does not answer as it should")
        if message["To"] in self.never:
            raise mail.MailRefusedError("The mail server refuses this letter.")
        self.sent.append(message)


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    """In the place of the mail server that the settings name."""
    made = Post()
    monkeypatch.setattr(mail, "chosen", lambda **_: made)
    return made


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path, owner: asyncpg.Connection) -> Brand:
    """The only one in which anything waits to be sent."""
    assert workspace
    await owner.execute("UPDATE notification SET mail = 'none' WHERE mail = 'waiting'")
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


@pytest.fixture
def current(tmp_path: Path) -> settings.Settings:
    return settings.load({"QUCHENG_VAR": str(tmp_path / "var"), "QUCHENG_PUBLIC_URL": "https://shop.example"})


async def round_(current: settings.Settings, monkeypatch: pytest.MonkeyPatch, now: dt.datetime = START) -> task.Task:
    """The task of every minute."""
    monkeypatch.setattr(clock, "now", lambda: now)
    async with db.atomic():
        task_id = await task.add(kind=notification_mail.SEND, queue="rest")
    with handlers.Tools(current) as tools:
        assert await runner.perform(task_id, worker=ids.new_id(), tools=tools)
    return await task.read(task_id)


async def person(
    current: settings.Settings, brand: Brand, role: Any = "admin", locale: Any = "zh-CN", reseller: str | None = RESELLER
) -> tuple[uuid.UUID, str]:
    login = f"{uuid.uuid4().hex[:12]}@example.com"
    who = await people.member(crypto.keys(current.var / "keys"), brand.id, role, reseller=reseller, login=login)
    await users.set_locale(user_id=who.user_id, locale=locale, actor=audit.SYSTEM)
    return who.user_id, login


async def tell(brand: Brand, kind: Any = "statement.published", subject: str = "1", **values: Any) -> int:
    return await notification.tell(brand_id=brand.id, kind=kind, subject=subject, values=values or STATEMENT, reseller=RESELLER)


def text(message: email.message.EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


async def test_one_thing_in_chinese_and_in_english(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, wang), (_, smith) = await person(current, brand), await person(current, brand, locale="en")
    assert await tell(brand) == 2
    assert (await round_(current, monkeypatch)).state == "done"
    found = {message["To"]: message for message in post.sent}
    assert set(found) == {wang, smith}
    assert found[wang]["Subject"] == f"{brand.name}：2026 年 10 月结算单已发布：b-202610-000007"
    assert text(found[wang]) == (
        "你好：\n\n- 2026 年 10 月结算单已发布：b-202610-000007\n\n查看：\n\n"
        "https://shop.example/portal/statements/b-202610-000007\n\n哪些通知发邮件，可以在这里设置：\n\n"
        "https://shop.example/notifications/settings\n"
    )
    assert found[smith]["Subject"] == f"{brand.name}: Your statement for October 2026 is there: b-202610-000007"
    assert text(found[smith]) == (
        "Hello,\n\n- Your statement for October 2026 is there: b-202610-000007\n\nSee:\n\n"
        "https://shop.example/portal/statements/b-202610-000007\n\nWhat is sent by mail is chosen here:\n\n"
        "https://shop.example/notifications/settings\n"
    )
    assert found[wang]["Auto-Submitted"] == "auto-generated"


async def test_a_price_change_says_the_old_and_the_new_price(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, wang), (_, smith) = await person(current, brand), await person(current, brand, "seller", "en")
    assert await tell(brand, "price.change", **CHANGES) == 2
    await round_(current, monkeypatch)
    found = {message["To"]: text(message) for message in post.sent}
    assert found[smith].startswith(
        "Hello,\n\n- 7 prices change on 1 Dec 2026\n  会员月卡 · web: 12.00 → 11.00\n  Tea · shop: no longer sold there\n"
        "  Cup · web: now sold there, 0.05\n  and 4 others\n\nSee:\n\nhttps://shop.example/portal/products?changes=1\n"
    ), found[smith]
    assert (
        "- 2026 年 12 月 1 日起 7 个价格变动\n  会员月卡 · web：12.00 → 11.00\n  Tea · shop：该渠道不再销售\n  Cup · web：该渠道开始销售，0.05\n  另有 4 项\n"
        in found[wang]
    )


async def test_what_comes_within_the_hour_is_gathered_by_kind(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, smith = await person(current, brand, locale="en")
    await tell(brand, subject="a")
    await round_(current, monkeypatch)
    for subject in ("b", "c"):
        await tell(brand, subject=subject)
    await tell(brand, "price.change", **CHANGES)
    await round_(current, monkeypatch, START + 59 * MINUTE)
    assert [message["Subject"].partition(": ")[2] for message in post.sent] == [
        "Your statement for October 2026 is there: b-202610-000007", "7 prices change on 1 Dec 2026",
    ]  # fmt: skip
    await round_(current, monkeypatch, START + HOUR + MINUTE)
    assert len(post.sent) == 3
    assert post.sent[2]["Subject"] == f"{brand.name}: New statements"
    line = "- Your statement for October 2026 is there: b-202610-000007\n"
    assert text(post.sent[2]) == (
        f"Hello,\n\n{line}{line}\nSee:\n\nhttps://shop.example/notifications\n\n"
        "What is sent by mail is chosen here:\n\nhttps://shop.example/notifications/settings\n"
    )
    await round_(current, monkeypatch, START + 9 * HOUR)
    assert {message["To"] for message in post.sent} == {smith}
    assert len(post.sent) == 3


async def test_a_long_row_of_them_is_cut(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person(current, brand, locale="en")
    for number in range(notification_mail.MOST_LINES + 3):
        await tell(brand, subject=str(number))
    await round_(current, monkeypatch)
    (message,) = post.sent
    assert text(message).count("- Your statement") == notification_mail.MOST_LINES
    assert "\n- and 3 others\n" in text(message)
    assert await books.seen(brand, "SELECT DISTINCT mail FROM notification") == [("sent",)]


async def test_of_several_resellers_each_line_says_whose_it_is(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = books.write(
        tmp_path / "more", code=brand.code, resellers=["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,,gold,2026-01-01,"]
    )
    await books.take_in(brand, folder)
    user_id, _ = await person(current, brand, locale="en")
    await memberships.grant(
        brand_id=brand.id, user_id=user_id, role="admin", reseller="R2", granted_by=None, actor=audit.SYSTEM, now=START
    )
    told = [notification.Told(reseller=code, values=STATEMENT) for code in ("R1", "R2")]
    assert await notification.tell_resellers(brand_id=brand.id, kind="statement.published", subject="1", told=told) == 2
    await round_(current, monkeypatch)
    (message,) = post.sent
    lines = {line for line in text(message).splitlines() if line.startswith("- ")}
    sentence = "Your statement for October 2026 is there: b-202610-000007"
    assert lines == {f"- R1: {sentence}", f"- R2: {sentence}"}


async def test_a_server_that_is_down_loses_nothing(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = {(await person(current, brand))[1] for _ in range(6)}
    await tell(brand)
    post.down = True
    failed = await round_(current, monkeypatch)
    assert (failed.state, failed.reason) == ("waiting", "OSError")
    assert post.asked == notification_mail.MOST_FAILURES
    assert await books.seen(brand, "SELECT mail, count(*) FROM notification GROUP BY 1") == [("waiting", 6)]
    post.down = False
    assert (await round_(current, monkeypatch, START + MINUTE)).state == "done"
    assert sorted(message["To"] for message in post.sent) == sorted(logins)
    assert (await round_(current, monkeypatch, START + 2 * MINUTE)).state == "done"
    assert len(post.sent) == 6


async def test_one_address_stops_no_other(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    (never, later, well) = [(await person(current, brand))[1] for _ in range(3)]
    post.never, post.later = {never}, {later}
    await tell(brand)
    assert (await round_(current, monkeypatch)).state == "waiting"
    assert [message["To"] for message in post.sent] == [well]
    assert await books.seen(brand, "SELECT mail, mailed_at IS NULL FROM notification ORDER BY mail") == [
        ("refused", True), ("sent", False), ("waiting", True),
    ]  # fmt: skip
    post.later = set()
    await round_(current, monkeypatch, START + MINUTE)
    assert [message["To"] for message in post.sent] == [well, later]


async def test_a_letter_that_was_sent_and_not_written_down_goes_out_under_the_same_number(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person(current, brand)
    await tell(brand)
    real = post.send

    async def lost(message: email.message.EmailMessage) -> None:
        await real(message)
        raise ConnectionResetError

    monkeypatch.setattr(post, "send", lost)
    await round_(current, monkeypatch)
    monkeypatch.setattr(post, "send", real)
    await round_(current, monkeypatch, START + MINUTE)
    assert len(post.sent) == 2
    assert post.sent[0]["Message-ID"] == post.sent[1]["Message-ID"]


async def test_who_lost_the_role_or_wants_no_letter_gets_none(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone, _), (quiet, _), (_, stays) = [await person(current, brand) for _ in range(3)]
    await notification_settings.write(
        user_id=quiet, settings={"statement.published": notification_settings.Setting(app=True, mail=False)}
    )
    await tell(brand)
    await memberships.revoke(
        brand_id=brand.id, membership_id=await people.role_of(gone, brand.id), actor=audit.SYSTEM, now=START + MINUTE
    )
    await round_(current, monkeypatch)
    assert [message["To"] for message in post.sent] == [stays]
    assert set(await books.seen(brand, "SELECT user_id, mail FROM notification WHERE mail <> 'sent'")) == {
        (gone, "none"), (quiet, "none"),
    }  # fmt: skip


async def test_no_letter_and_no_row_holds_what_was_written_in_a_dispute_or_a_login(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch, owner: asyncpg.Connection
) -> None:
    _, login = await person(current, brand, locale="en")
    await tell(brand)
    await round_(current, monkeypatch)
    (message,) = post.sent
    name = "某人"
    assert name not in message.as_string()
    assert login not in text(message)
    stored = await owner.fetchval("SELECT string_agg(n::text, ' ') FROM notification n")
    assert login not in stored
    assert name not in stored
    assert "token" not in text(message)


async def test_operators_are_written_to_under_the_name_of_the_product(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "UPDATE membership SET revoked_at = greatest(now(), granted_at) WHERE role = 'operator' AND revoked_at IS NULL"
    )
    login = f"{uuid.uuid4().hex[:12]}@example.com"
    await people.member(crypto.keys(current.var / "keys"), audit.PLATFORM, "operator", login=login)
    approval = str(uuid.uuid4())
    await notification.tell(
        brand_id=brand.id,
        kind="approval.waiting",
        subject=approval,
        values={"action": "run.issue", "brand": brand.code},
        on_platform=True,
    )
    await round_(current, monkeypatch)
    (message,) = post.sent
    assert (message["To"], message["Subject"]) == (login, "渠成：待你决定：出具结算批次")
    assert text(message).startswith(
        f"你好：\n\n- 待你决定：出具结算批次\n  {brand.code}\n\n查看：\n\nhttps://shop.example/approvals/{approval}\n"
    )


async def test_a_task_that_was_given_up_is_told_with_the_next_round(
    brand: Brand, current: settings.Settings, post: Post, monkeypatch: pytest.MonkeyPatch, owner: asyncpg.Connection
) -> None:
    user_id, _ = await person(current, brand, "owner", reseller=None)
    async with db.atomic():
        dead = await task.add(kind="statement.list", queue="rest", brand_id=brand.id)
    await owner.execute("UPDATE task SET state = 'dead', attempt = 1, ended_at = clock_timestamp() WHERE id = $1", dead)
    await round_(current, monkeypatch, dt.datetime.now(tz=dt.UTC))
    found = await notification.listing(who=people.principal(user_id, brand.id, "owner"), now=START)
    assert [(each.kind, each.subject) for each in found.rows] == [("task.failed", f"{dead}/1")]
    assert post.sent == []


def test_a_page_is_led_to_where_there_is_no_other() -> None:
    digest = notification_mail.Digest(
        id=uuid.UUID(int=1), to="a@example.com", locale="en", brand=None, kind="task.failed", more=0,
        items=[notification_mail.Item(subject="x/1", values={"task": "audit.seal", "brand": None}, reseller=None)],
    )  # fmt: skip
    written = notices.written(digest)
    assert (written.title, written.lines, written.address, written.place) == (
        "Failed and not tried again: audit.seal", ["- Failed and not tried again: audit.seal"], "/notifications", None,
    )  # fmt: skip
