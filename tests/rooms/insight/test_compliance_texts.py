"""Texts to resellers: published once, shown in their time and language, ended; and none that promises income."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.campaigns import offer
from qucheng.catalog import channel
from qucheng.core import audit, crypto, db, errors
from qucheng.network import admission, attempt, blocklist, portal_text, standing, tier
from qucheng.settlement import dispute

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

TODAY = dt.date(2026, 11, 22)
DAY = dt.timedelta(days=1)
ZH: dict[str, Any] = {"title_zh": "退款说明", "body_zh": "退款会冲回相应佣金。"}
EN: dict[str, Any] = {"title_en": "Refunds", "body_en": "A refund takes its commission back."}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    folder = books.write(tmp_path / "bundle", code=f"t-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


@pytest.fixture
async def manager(keys: crypto.Keys, brand: Brand) -> permissions.Principal:
    return await people.member(keys, brand.id, "manager")


async def publish(brand: Brand, who: permissions.Principal, *, instead_of: uuid.UUID | None = None, **words: Any) -> uuid.UUID:
    given = {"kind": "announcement", "starts_on": TODAY, **words}
    return await portal_text.publish(
        brand=brand, words=portal_text.Words(**given), today=TODAY, actor=people.actor(who), instead_of=instead_of
    )


async def shown(brand: Brand, day: dt.date = TODAY, locale: str = "zh-CN") -> list[tuple[str, str, str]]:
    found = await portal_text.shown(brand_id=brand.id, reseller="R1", today=day, locale=locale)
    return [(each.kind, each.title, each.body) for each in found]


async def test_it_is_shown_in_its_time_and_in_the_readers_language(brand: Brand, manager: permissions.Principal) -> None:
    await publish(brand, manager, **ZH, **EN, starts_on=TODAY + DAY, ends_on=TODAY + 3 * DAY)
    await publish(brand, manager, kind="help", **EN)
    english, chinese = ("Refunds", "A refund takes its commission back."), ("退款说明", "退款会冲回相应佣金。")
    assert await shown(brand) == [("help", *english)]
    assert await shown(brand, TODAY + DAY) == [("announcement", *chinese), ("help", *english)]
    assert await shown(brand, TODAY + 2 * DAY, "en") == [("announcement", *english), ("help", *english)]
    assert await shown(brand, TODAY + 3 * DAY) == [("help", *english)]


async def test_a_changed_text_takes_the_place_of_the_old_one(brand: Brand, manager: permissions.Principal) -> None:
    first = await publish(brand, manager, **ZH)
    second = await publish(brand, manager, instead_of=first, title_zh="退款", body_zh="改过的说明。")
    assert await shown(brand) == [("announcement", "退款", "改过的说明。")]
    listed = await portal_text.listing(brand_id=brand.id)
    assert [(each.id, each.state(TODAY), each.ended_by) for each in listed] == [
        (second, "shown", None),
        (first, "over", manager.user_id),
    ]
    with pytest.raises(portal_text.TextUnknownError):
        await publish(brand, manager, instead_of=first, **ZH)
    assert len(await portal_text.listing(brand_id=brand.id)) == 2
    records = [(each.action, each.subject) for each in await audit.listing(brand_id=brand.id)][:3]
    assert records == [("text.publish", str(second)), ("text.end", str(first)), ("text.publish", str(first))]


async def test_an_ended_text_is_not_shown_and_not_ended_again(brand: Brand, manager: permissions.Principal) -> None:
    text = await publish(brand, manager, **ZH)
    await portal_text.end(brand_id=brand.id, text_id=text, actor=people.actor(manager))
    assert await shown(brand) == []
    for gone in (text, uuid.uuid4()):
        with pytest.raises(portal_text.TextUnknownError):
            await portal_text.end(brand_id=brand.id, text_id=gone, actor=people.actor(manager))


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({}, "title_zh"),
        ({"title_zh": "标题"}, "body_zh"),
        ({"body_en": "Words"}, "title_en"),
        ({**ZH, "title_en": "x" * 81, "body_en": "x"}, "title_en"),
        ({**ZH, "body_zh": "字" * 4001}, "body_zh"),
        ({**ZH, "ends_on": TODAY}, "ends_on"),
        ({**ZH, "starts_on": TODAY + 5 * DAY, "ends_on": TODAY + 5 * DAY}, "ends_on"),
        ({**ZH, "starts_on": TODAY - 5 * DAY, "ends_on": TODAY - DAY}, "ends_on"),
    ],
)
async def test_what_is_no_text_is_refused(
    brand: Brand, manager: permissions.Principal, owner: asyncpg.Connection, words: dict[str, Any], field: str
) -> None:
    before = await books.everything(owner)
    with pytest.raises(portal_text.TextRefusedError) as refused:
        await publish(brand, manager, **words)
    assert refused.value.field == field
    assert await books.everything(owner) == before


@pytest.mark.parametrize("field", ["title_zh", "body_zh", "title_en", "body_en"])
async def test_a_promise_of_income_is_refused_and_kept(
    brand: Brand, manager: permissions.Principal, owner: asyncpg.Connection, field: str
) -> None:
    before = await books.everything(owner)
    with pytest.raises(blocklist.PromiseError) as refused:
        await publish(brand, manager, **{**ZH, **EN, field: "轻松躺 赚"})
    assert refused.value.found == [blocklist.Found("躺赚", "躺 赚", 2)]
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {"audit_record"}
    (record, *_) = await audit.listing(brand_id=brand.id)
    assert (record.action, record.subject, record.user_id) == ("compliance.refused", "text.publish/announcement", manager.user_id)
    assert record.after == {
        "what": "text.publish",
        "code": "text.promise",
        "message": "This promises income: '躺 赚'.",
        "kind": "announcement",
        "starts_on": "2026-11-22",
        **ZH,
        **EN,
        field: "轻松躺 赚",
    }


class LawError(errors.RefusedError):
    code = "network.depth_exceeded"


class FormError(errors.RefusedError):
    code = "reseller.unknown"


async def failing(brand: Brand, who: audit.Actor, refusal: type[Exception]) -> None:
    kept = attempt.kept(brand_id=brand.id, what="network.move", subject="R1", actor=who, facts={"parent": "R2"})
    async with kept, db.atomic(brand.id):
        await audit.record(brand_id=brand.id, actor=who, action="test.done", subject="R1")
        raise refusal("no")


@pytest.mark.parametrize(("refusal", "kept"), [(LawError, 1), (FormError, 0), (ValueError, 0)])
async def test_only_what_the_rules_refuse_is_kept(
    brand: Brand, manager: permissions.Principal, refusal: type[Exception], kept: int
) -> None:
    who = people.actor(manager)
    with pytest.raises(refusal):
        await failing(brand, who, refusal)
    records = [(each.action, each.after) for each in await audit.listing(brand_id=brand.id)]
    wanted = {"what": "network.move", "code": "network.depth_exceeded", "message": "no", "parent": "R2"}
    assert records[:kept] == [("compliance.refused", wanted)] * kept
    assert "test.done" not in {action for action, _ in records}


async def test_inside_a_transaction_an_attempt_cannot_be_kept(brand: Brand, manager: permissions.Principal) -> None:
    async with db.atomic(brand.id):
        with pytest.raises(RuntimeError, match="outside the transaction"):
            async with attempt.kept(brand_id=brand.id, what="x", subject="y", actor=people.actor(manager)):
                pass


async def test_nobody_changes_what_was_shown(brand: Brand, manager: permissions.Principal, owner: asyncpg.Connection) -> None:
    text = await publish(brand, manager, **ZH)
    await portal_text.end(brand_id=brand.id, text_id=text, actor=people.actor(manager))
    for table in ("portal_text", "portal_text_end"):
        for change in (f"UPDATE {table} SET brand_id = brand_id", f"DELETE FROM {table}"):
            async with books.refused(owner, asyncpg.RestrictViolationError):
                await owner.execute(change)


async def test_a_reseller_writes_none(brand: Brand) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(brand.id, reseller="R1"):
            await db.connection().execute("INSERT INTO portal_text (brand_id, id) VALUES ($1, $1)", brand.id)


async def test_names_reasons_and_answers_of_the_brand_promise_nothing(
    keys: crypto.Keys, brand: Brand, manager: permissions.Principal, owner: asyncpg.Connection
) -> None:
    """Whatever the brand writes that resellers see; who tried it is on record, and nothing else is written."""
    actor, text, unknown = people.actor(manager), "躺 赚合伙人", uuid.uuid4()
    wanted = offer.Wanted(
        code="o", name=text, sku="card", reseller="R1", channel=None, period="ever", quota=None, starts_at=books.NOW, ends_at=books.NOW + DAY
    )  # fmt: skip
    before = await books.everything(owner)
    for write in (
        lambda: tier.create(brand_id=brand.id, code="t", name=text, rank=1, actor=actor),
        lambda: tier.change(brand_id=brand.id, code="gold", seen=1, name=text, rank=1, actor=actor),
        lambda: channel.create(brand_id=brand.id, code="c", name=text, kind="agency", deviation="flag", actor=actor),
        lambda: channel.change(brand_id=brand.id, code="web", seen=1, name=text, kind="agency", deviation="flag", actor=actor),
        lambda: offer.make(brand=brand, wanted=wanted, actor=actor, now=books.NOW),
        lambda: standing.freeze(brand_id=brand.id, reseller="R1", reason=text, day=TODAY, actor=actor, now=books.NOW),
        lambda: admission.reject(keys=keys, brand=brand, application_id=unknown, reason=text, actor=actor, now=books.NOW),
        lambda: dispute.reject(brand=brand, dispute_id=unknown, reason=text, actor=actor),
    ):
        with pytest.raises(blocklist.PromiseError):
            await write()
    after = await books.everything(owner)
    assert {name for name, rows in after.items() if before[name] != rows} == {"audit_record"}
    kept = await attempt.listing(brand_id=brand.id)
    assert [(each.what, each.subject, each.codes) for each in reversed(kept)] == [
        ("tier.name", "t", ("text.promise",)),
        ("tier.name", "gold", ("text.promise",)),
        ("channel.name", "c", ("text.promise",)),
        ("channel.name", "web", ("text.promise",)),
        ("offer.name", "o", ("text.promise",)),
        ("reseller.reason", "R1", ("text.promise",)),
        ("reseller.reason", str(unknown), ("text.promise",)),
        ("dispute.answer", str(unknown), ("text.promise",)),
    ]
