"""A code proves a phone for five minutes, five tries and once; an address that the app signed is good once; a session is one brand's."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import parse

import msgspec
import pytest
from tests import books
from tests.rooms.campaigns import gate
from tests.rooms.campaigns.gate import ACTOR, HOUR, NEVER, NOW
from tests.rooms.identity import people

from qucheng.campaigns import consumer, offer_page, sign_in_code, signed_subject
from qucheng.connectors import sms
from qucheng.core import audit, crypto, task
from qucheng.identity import api_key, api_signature
from qucheng.redemption import rules, store
from qucheng.stock import text_message

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
PHONE, OTHER = "+8613805712264", "+8613905712264"
MINUTE, SECOND = dt.timedelta(minutes=1), dt.timedelta(seconds=1)
ME, NEIGHBOUR = "a" * 43, "b" * 43


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    made, _ = await gate.opened(tmp_path, NEVER, NEVER)
    await gate.offered(made)
    return made


async def sent(brand: Brand, keys: crypto.Keys, phone: str = PHONE, now: dt.datetime = NOW) -> str:
    """The code, as the phone gets it."""
    await sign_in_code.send(brand=brand, keys=keys, phone=phone, locale="zh-CN", now=now)
    ((newest,),) = await books.seen(brand, "SELECT id FROM text_message ORDER BY id DESC LIMIT 1")
    found = await text_message.read(keys=keys, brand_id=brand.id, message_id=newest)
    assert found is not None
    assert (found.to, found.kind) == (phone, "code")
    return found.values["code"]


async def proved(brand: Brand, keys: crypto.Keys, code: str, **changes: Any) -> consumer.Consumer | None:
    """Who is signed in with it; None where the code is refused."""
    given = {"phone": PHONE, "browser": ME, "before": None, "now": NOW, **changes}
    try:
        token = await sign_in_code.sign_in(brand=brand, keys=keys, code=code, actor=ACTOR, **given)
    except sign_in_code.CodeWrongError:
        return None
    return await consumer.principal(keys=keys, brand_id=brand.id, token=token, now=given["now"])


def another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_code_is_good_for_five_minutes_five_tries_and_once(brand: Brand, keys: crypto.Keys) -> None:
    code = await sent(brand, keys)
    assert re.fullmatch("[0-9]{6}", code)
    assert await books.seen(brand, "SELECT DISTINCT queue FROM task WHERE kind = 'text.send'") == [("messages",)]
    assert await proved(brand, keys, code, phone=OTHER) is None
    assert await proved(brand, keys, code, now=NOW + 5 * MINUTE) is None
    for _ in range(4):
        assert await proved(brand, keys, another(code)) is None
    who = await proved(brand, keys, code, now=NOW + 5 * MINUTE - SECOND)
    assert who is not None
    assert (who.phone_end, who.way, who.until - who.signed_in_at) == ("2264", "phone", dt.timedelta(days=30))
    # the answer was lost: the same browser may send it again, and nobody else
    assert await proved(brand, keys, code, browser=NEIGHBOUR) is None
    again = await proved(brand, keys, code)
    assert again is not None
    assert (again.id, again.session != who.session) == (who.id, True)
    assert await books.seen(brand, "SELECT count(*) FROM consumer") == [(1,)]


async def test_the_fifth_wrong_try_ends_a_code_and_a_new_one_begins_anew(brand: Brand, keys: crypto.Keys) -> None:
    code = await sent(brand, keys)
    answers = await asyncio.gather(*(proved(brand, keys, another(code)) for _ in range(8)))
    assert answers == [None] * 8
    assert await books.seen(brand, "SELECT wrong FROM sign_in_code") == [(5,)]
    assert await proved(brand, keys, code) is None
    newer = await sent(brand, keys, now=NOW + MINUTE)
    if newer != code:
        assert await proved(brand, keys, code, now=NOW + MINUTE) is None
    assert await proved(brand, keys, newer, now=NOW + MINUTE) is not None


async def test_nothing_that_is_stored_tells_the_code_or_the_phone(
    brand: Brand, keys: crypto.Keys, owner: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    code = await sent(brand, keys)
    await proved(brand, keys, another(code))
    assert await proved(brand, keys, code) is not None
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    rows = [str(row[0]) for (name,) in tables for row in await owner.fetch(f'SELECT t::text FROM "{name}" t')]
    told = re.sub(r"\.[0-9]{1,6}|[0-9a-f]{8}-[0-9a-f-]{27}", "", "\n".join(rows)) + caplog.text
    assert "consumer.sign_in" in told
    for secret in (code, PHONE.lstrip("+"), PHONE[3:]):
        form = re.compile(rf"(?<![0-9A-Za-z]){secret}(?![0-9A-Za-z])")
        assert form.search(told) is None
        assert form.search(f"{told},{secret})") is not None


async def test_a_session_is_one_brands_until_it_ends(brand: Brand, keys: crypto.Keys, tmp_path: Path) -> None:
    other, _ = await gate.opened(tmp_path / "other")
    token = await sign_in_code.sign_in(
        brand=brand, keys=keys, phone=PHONE, code=await sent(brand, keys), browser=ME, before=None, actor=ACTOR, now=NOW
    )
    who = await consumer.principal(keys=keys, brand_id=brand.id, token=token, now=NOW + dt.timedelta(days=30) - SECOND)
    assert who is not None
    assert repr(who) == f"Consumer({who.id})"
    for brand_id, given, now in (
        (other.id, token, NOW),
        (brand.id, token, NOW + dt.timedelta(days=30)),
        (brand.id, token[:-1], NOW),
        (brand.id, None, NOW),
    ):
        assert await consumer.principal(keys=keys, brand_id=brand_id, token=given, now=now) is None
    later = await sign_in_code.sign_in(
        brand=brand, keys=keys, phone=PHONE, code=await sent(brand, keys), browser=ME, before=token, actor=ACTOR, now=NOW
    )
    assert await consumer.principal(keys=keys, brand_id=brand.id, token=token, now=NOW) is None
    here = await consumer.principal(keys=keys, brand_id=brand.id, token=later, now=NOW)
    assert here is not None
    await consumer.sign_out(who=here, actor=ACTOR, now=NOW)
    assert await consumer.principal(keys=keys, brand_id=brand.id, token=later, now=NOW) is None
    assert await consumer.prune(brand_id=brand.id, now=NOW + dt.timedelta(days=30)) == 0
    assert await consumer.prune(brand_id=brand.id, now=NOW + dt.timedelta(days=30) + SECOND) == 2


async def test_the_form_that_signed_in_does_not_after_signing_out(brand: Brand, keys: crypto.Keys) -> None:
    """The next person at the same device goes back to it, and sends it again."""
    code = await sent(brand, keys)
    assert await proved(brand, keys, code) is not None
    who = await proved(brand, keys, code)
    assert who is not None
    await consumer.sign_out(who=who, actor=ACTOR, now=NOW)
    assert await proved(brand, keys, code) is None
    # one that was sent meanwhile is still good
    again = await proved(brand, keys, await sent(brand, keys))
    assert again is not None
    newer = await sent(brand, keys)
    await consumer.sign_out(who=again, actor=ACTOR, now=NOW)
    assert await proved(brand, keys, newer) is not None


class Phone:
    def __init__(self) -> None:
        self.got: list[str] = []

    async def send(self, *, message: uuid.UUID, to: str, text: str, now: dt.datetime) -> None:
        assert message
        assert now
        self.got.append(f"{to} {text}")


async def test_a_code_that_waited_past_its_time_is_wiped_and_not_sent(brand: Brand, keys: crypto.Keys) -> None:
    phone, codes = Phone(), []
    for after in (5 * MINUTE - SECOND, 5 * MINUTE):
        codes.append(await sent(brand, keys))
        ((waiting,),) = await books.seen(brand, "SELECT id FROM task WHERE brand = $1 AND state = 'waiting'", brand.id)
        got = await task.claim(waiting, worker=uuid.uuid4(), kinds=[text_message.SEND])
        assert got is not None
        await sms.deliver(task.Work(got), port=phone, keys=keys, brand_id=brand.id, brand="南屿", public_url="", now=NOW + after)
    assert [codes[0] in text for text in phone.got] == [True]
    assert await books.seen(brand, "SELECT count(*), count(to_cipher), count(values_cipher) FROM text_message") == [(2, 0, 0)]
    assert await books.seen(brand, "SELECT state FROM task WHERE brand = $1", brand.id) == [("done",), ("done",)]
    # that there was one is nobody's concern for ever, and one that nobody took goes as well
    await sent(brand, keys)
    assert await text_message.prune(brand_id=brand.id, now=NOW + 7 * 24 * HOUR) == 0
    assert await text_message.prune(brand_id=brand.id, now=NOW + 7 * 24 * HOUR + SECOND) == 3
    assert await books.seen(brand, "SELECT count(*) FROM text_message") == [(0,)]


async def made_key(keys: crypto.Keys, brand: Brand, scope: str = "claims.write", mode: api_key.Mode = "live") -> api_key.Issued:
    by = await people.person(keys)
    return await api_key.create(
        keys=keys, brand_id=brand.id, name="app", mode=mode, reseller=None, scopes={scope}, networks=["203.0.113.7"],
        expires_at=NOW + 24 * HOUR, created_by=by, actor=audit.SYSTEM, now=NOW,
    )  # fmt: skip


def signed(brand: Brand, key: api_key.Issued, **changes: str) -> signed_subject.Entry:
    until = str(int(NOW.timestamp()) + 300)
    plain = {
        "subject": "user-8812",
        "until": until,
        "nonce": uuid.uuid4().hex,
        "way_on": f"/claim/{brand.code}/spring",
        **changes,
    }
    entry = signed_subject.Entry(key=key.id.hex, signature="", **plain)
    text = signed_subject.text_to_sign(brand.code, entry)
    return msgspec.structs.replace(entry, signature=api_signature.sign_text(text, key.signing_secret or ""))


async def entered(brand: Brand, keys: crypto.Keys, entry: signed_subject.Entry, now: dt.datetime = NOW) -> str:
    """The code of the refusal; nothing where there is none."""
    try:
        await signed_subject.enter(brand=brand, keys=keys, entry=entry, before=None, actor=ACTOR, now=now)
    except (signed_subject.EntryUnknownError, signed_subject.EntryOverError, signed_subject.EntryUsedError) as refusal:
        return refusal.code
    return ""


async def test_a_signed_address_is_good_once_and_for_who_signed_it(brand: Brand, keys: crypto.Keys, tmp_path: Path) -> None:
    key, stranger = await made_key(keys, brand), (await gate.opened(tmp_path / "other"))[0]
    entry = signed(brand, key)
    for changes in (
        {"subject": "user-8813"},
        {"way_on": "/claim/x/y"},
        {"nonce": "c" * 32},
        {"signature": "0" * 64},
        {"key": "1" * 32},
    ):
        assert await entered(brand, keys, msgspec.structs.replace(entry, **changes)) == "entry.unknown", changes
    assert await entered(stranger, keys, entry) == "entry.unknown"
    assert await entered(stranger, keys, signed(stranger, key)) == "entry.unknown"
    wrong_scope = await made_key(keys, brand, scope="refunds.write")
    trial = await made_key(keys, brand, mode="test")
    for other in (wrong_scope, trial):
        assert await entered(brand, keys, signed(brand, other)) == "entry.unknown"
    assert await entered(brand, keys, signed(brand, key, until=str(int(NOW.timestamp()) + 301))) == "entry.over"
    assert await entered(brand, keys, entry, now=NOW + 5 * MINUTE) == "entry.over"
    assert await books.seen(brand, "SELECT (SELECT count(*) FROM consumer), (SELECT count(*) FROM api_nonce)") == [(0, 0)]
    await signed_subject.check(brand=brand, keys=keys, entry=entry, now=NOW)
    assert await entered(brand, keys, entry, now=NOW + 5 * MINUTE - SECOND) == ""
    assert await entered(brand, keys, entry) == "entry.used"
    at_once = signed(brand, key)
    answers = await asyncio.gather(*(entered(brand, keys, at_once) for _ in range(6)))
    assert sorted(answers) == ["", *["entry.used"] * 5]
    fresh = signed(brand, key)
    await api_key.revoke(brand_id=brand.id, key_id=key.id, by=await people.person(keys), actor=audit.SYSTEM, now=NOW)
    assert await entered(brand, keys, fresh) == "entry.unknown"
    assert await books.seen(brand, "SELECT count(*), count(phone_cipher) FROM consumer") == [(1, 0)]


async def test_the_apps_person_is_who_claimed_through_the_api(brand: Brand, keys: crypto.Keys) -> None:
    first = await gate.claimed(brand, keys, "user-8812")
    token = await signed_subject.enter(
        brand=brand, keys=keys, entry=signed(brand, await made_key(keys, brand)), before=None, actor=ACTOR, now=NOW
    )
    who = await consumer.principal(keys=keys, brand_id=brand.id, token=token, now=NOW)
    assert who is not None
    assert (who.phone_end, who.phone_fingerprint, who.way) == (None, None, "app")
    assert await offer_page.claimed(brand=brand, code=gate.CODE, who=who, now=NOW) == first.card
    again = await gate.claim.DESK.claim(brand=brand, code=gate.CODE, one=consumer.ask(who), now=NOW)
    assert (again.id, again.fresh) == (first.id, False)


async def test_a_session_of_the_app_is_good_as_long_as_its_key(brand: Brand, keys: crypto.Keys) -> None:
    """The phone's sessions and those of another key stand, and so does the one of a key that lives, to the last second of it."""
    stolen, good = await made_key(keys, brand), await made_key(keys, brand)
    tokens = [
        await signed_subject.enter(brand=brand, keys=keys, entry=signed(brand, key), before=None, actor=ACTOR, now=NOW)
        for key in (stolen, good)
    ]
    tokens.append(
        await sign_in_code.sign_in(
            brand=brand, keys=keys, phone=PHONE, code=await sent(brand, keys), browser=ME, before=None, actor=ACTOR, now=NOW
        )
    )

    async def standing(now: dt.datetime) -> list[bool]:
        found = [await consumer.principal(keys=keys, brand_id=brand.id, token=each, now=now) for each in tokens]
        return [who is not None for who in found]

    assert await books.seen(brand, "SELECT api_key FROM consumer_session ORDER BY id") == [(stolen.id,), (good.id,), (None,)]
    assert await standing(NOW + MINUTE) == [True, True, True]
    by = await people.person(keys)
    await api_key.revoke(brand_id=brand.id, key_id=stolen.id, by=by, actor=audit.SYSTEM, now=NOW + MINUTE)
    assert await standing(NOW + MINUTE) == [False, True, True]
    # its time is over as well
    assert await standing(NOW + 24 * HOUR - SECOND) == [False, True, True]
    assert await standing(NOW + 24 * HOUR) == [False, False, True]


async def test_an_offer_says_how_many_are_left_and_where_it_is_used(brand: Brand, keys: crypto.Keys) -> None:
    for code, area in (("S1", "north"), ("S2", "south")):
        await store.open_store(brand_id=brand.id, code=code, name=code, area=area, actor=ACTOR, now=NOW)
    rule = rules.Rule(days=(1, 2, 3), areas=("south",))
    await store.set_rule(brand_id=brand.id, sku="card", rule=rule, actor=ACTOR, now=NOW)
    await gate.offered(brand, code="few", quota=1)
    page = await offer_page.read(brand=brand, code=gate.CODE, now=NOW)
    assert (page.state, page.left_shown, page.soonest) == ("running", (2, False), None)
    assert ([place.code for place in page.use.places], page.use.rule) == (["S2"], rule)
    assert (await offer_page.read(brand=brand, code="few", now=NOW)).left == 1
    assert [(await offer_page.read(brand=brand, code="few", now=now)).state for now in (NOW - 2 * HOUR, NOW + 24 * HOUR)] == [
        "before",
        "ended",
    ]
    await gate.claimed(brand, keys, "a", code="few")
    assert (await offer_page.read(brand=brand, code="few", now=NOW)).state == "sold_out"
    assert (await offer_page.read(brand=brand, code=gate.CODE, now=NOW)).left == 1
    for cards, shown in ((100, (100, False)), (101, (100, True)), (286, (280, True)), (501, (500, True))):
        assert msgspec.structs.replace(page, cards=cards).left_shown == shown


def test_the_address_in_the_manual_is_signed_as_it_says() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "claiming.md").read_text(encoding="utf-8")
    address = next(line for line in manual.splitlines() if line.startswith("/enter/nanyu?key="))
    given = dict(parse.parse_qsl(address.partition("?")[2]))
    entry = signed_subject.Entry(way_on=given.pop("next"), **given)
    text = signed_subject.text_to_sign("nanyu", entry)
    assert entry.readable()
    assert f"```\n{text}\n```" in manual
    assert api_signature.sign_text(text, "qcs_example") == entry.signature
