"""The page behind the QR code: it answers to number and hash together, in the same words to everything else, and knows nobody."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.settlement import document_work

from qucheng.core import crypto
from qucheng.settlement import document

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

NOBODY = "There is no published statement with this number and this hash."
PUBLISHED = dt.datetime(2026, 11, 22, 4, 30, tzinfo=dt.UTC)


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """With two statements of March."""
    assert workspace
    return await document_work.frozen(tmp_path / "bundle", f"B.{uuid.uuid4().hex[:8]}", resellers=2)


async def paper(owner: asyncpg.Connection, brand: Brand, number: int = 1) -> tuple[str, str]:
    """Number and hash."""
    sha256 = await owner.fetchval("SELECT sha256 FROM statement_document WHERE brand_id = $1 AND number = $2", brand.id, number)
    return f"{brand.code}-202603-{number:06d}", str(sha256)


async def run_of(owner: asyncpg.Connection, brand: Brand, state: str, published_at: dt.datetime | None = None) -> None:
    """The month has a run, in that state."""
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, issued, computed_at, issued_at,"
        " discarded_at, published_at) VALUES ($1, '2026-03-01', 1, $2, 1, 2, 0, 0, 0, CASE WHEN $2 = 'issued' THEN 2 ELSE 0 END, now(),"
        " CASE WHEN $2 = 'issued' THEN now() END, CASE WHEN $2 = 'discarded' THEN now() END, $3)",
        brand.id,
        state,
        published_at,
    )


def without_what_was_sent(answer: httpx.Response) -> str:
    """The page but for the two fields that show what was typed, and the other language's address, which repeats it."""
    shown = re.sub(r'(id="(?:number|h)"[^>]*?) value="[^"]*"', r"\1", answer.text)
    return re.sub(r'href="\?[^"]*lang=', 'href="?lang=', shown)


async def test_the_code_on_the_paper_leads_to_the_statement(
    guest: browser.Browser, owner: asyncpg.Connection, brand: Brand
) -> None:
    number, sha256 = await paper(owner, brand)
    text = await owner.fetchval("SELECT document FROM statement_document WHERE brand_id = $1 AND number = 1", brand.id)
    assert hashlib.sha256(text.encode()).hexdigest() == sha256
    told = document.check_text(msgspec.json.decode(text, type=document.StatementDocument), sha256, "https://shop.example/")
    assert told == f"https://shop.example/s/{number}?h={sha256[:20]}"
    answer = await guest.get(told.removeprefix("https://shop.example"))
    assert answer.status_code == 200
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2].partition("</main>")[0]))
    assert f"{brand.name} This statement was issued and published." in shown
    for part in (
        f"Number of the statement {number} ", "Payee 1＊＊", "From 1 Mar 2026", "To 31 Mar 2026", "Amount paid out CNY 10.00 ",
        "Published on 2026-11-22 11:00", " ".join(sha256[start : start + 4] for start in range(0, 64, 4)),
    ):  # fmt: skip
        assert part in shown, part
    assert "1 号" not in answer.text


@pytest.mark.parametrize("digits", ["{0:.20}", "{0:.21}", "{0}", "{0:.40}", "upper"])
async def test_twenty_digits_or_more_are_enough(
    guest: browser.Browser, owner: asyncpg.Connection, brand: Brand, digits: str
) -> None:
    number, sha256 = await paper(owner, brand)
    given = sha256.upper() if digits == "upper" else digits.format(sha256)
    assert (await guest.get(f"/s/{number}?h={given}")).status_code == 200
    spaced = "+".join(given[start : start + 4] for start in range(0, len(given), 4))
    by_hand = await guest.get(f"/s?number=+{number}+&h=+{spaced}")
    assert (by_hand.status_code, number in by_hand.text) == (200, True)


async def test_everything_else_gets_the_same_answer(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection, brand: Brand, tmp_path: Path
) -> None:
    number, sha256 = await paper(owner, brand)
    _, other = await paper(owner, brand, 2)
    hidden = await document_work.frozen(tmp_path / "hidden", f"H.{uuid.uuid4().hex[:8]}", resellers=1)
    await run_of(owner, hidden, "issued")
    unpublished, right = await paper(owner, hidden)
    wrong = ("0" if sha256[0] != "0" else "1") + sha256[1:]
    tries = [
        (number, wrong), (number, sha256[:19] + ("0" if sha256[19] != "0" else "1")), (number, sha256[:19]), (number, ""), (number, other),
        (number, sha256 + "0"), (number, "%"), (number, "_" * 20), (number, "g" * 20), (f"{brand.code}-202603-000009", sha256),
        ("nobody-202603-000001", sha256), (unpublished, right), (unpublished, wrong), (number.lower(), sha256), ("x", sha256), ("0" * 500, sha256),
        ("%00", sha256), ("é", sha256), ("';--", sha256), (number, "%00" * 20),
    ]  # fmt: skip
    found = []
    for index, (asked, digits) in enumerate(tries):
        visitor = await house.browser(f"198.51.{index}.7")
        for path in (f"/s/{asked}?h={digits}", f"/s?number={asked}&h={digits}"):
            answer = await visitor.get(path)
            assert (answer.status_code, NOBODY in answer.text) == (404, True), path
            found.append((without_what_was_sent(answer), sorted(set(answer.headers) - {"x-request-id"})))
    assert [each for each in found if each != found[0]] == []
    assert (await guest.get(f"/s/{number}?h={sha256[:20]}")).status_code == 200


@pytest.mark.parametrize(
    ("state", "published", "status"),
    [("issued", None, 404), ("issued", PUBLISHED, 200), ("computed", None, 200), ("discarded", None, 200)],
)
async def test_it_is_shown_when_its_run_is_published(
    guest: browser.Browser, owner: asyncpg.Connection, brand: Brand, state: str, published: dt.datetime | None, status: int
) -> None:
    """A month that was settled without a run is seen at once, whatever is computed beside it."""
    await run_of(owner, brand, state, published)
    number, sha256 = await paper(owner, brand)
    answer = await guest.get(f"/s/{number}?h={sha256[:20]}")
    assert answer.status_code == status
    assert ("2026-11-22 12:30" in answer.text) == (published is not None)


async def test_nobody_is_known_and_nothing_is_kept(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection, brand: Brand
) -> None:
    number, sha256 = await paper(owner, brand)
    before = await books.everything(owner)
    for path in ("/s", f"/s/{number}?h={sha256[:20]}", f"/s/{number}?h=0"):
        answer = await guest.get(path)
        assert answer.headers.get_list("set-cookie") == [], path
        assert (answer.headers["cache-control"], answer.headers["x-robots-tag"]) == ("no-store", "noindex, nofollow")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert '<meta name="robots" content="noindex">' in answer.text
        assert "_csrf" not in answer.text
    assert dict(guest.client.cookies) == {}
    assert await books.everything(owner) == before
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.person(house.keys, login)
    await guest.sign_in(login)
    signed_in = await guest.get(f"/s/{number}?h={sha256[:20]}")
    assert (signed_in.status_code, "某人" in signed_in.text, login in signed_in.text) == (200, False, False)


async def test_a_network_is_limited_and_another_is_not(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection, brand: Brand
) -> None:
    number, sha256 = await paper(owner, brand)
    neighbour, elsewhere = await house.browser("198.51.100.99"), await house.browser("203.0.113.9")
    found = [(await each.get(f"/s/{number}?h=0")).status_code for _ in range(30) for each in (guest, neighbour)]
    assert found == [404] * 60
    limited = await guest.get(f"/s/{number}?h={sha256[:20]}")
    assert (limited.status_code, int(limited.headers["retry-after"]) >= 1, number in limited.text) == (429, True, False)
    assert (await neighbour.get(f"/s?number={number}&h={sha256}")).status_code == 429
    assert (await elsewhere.get(f"/s/{number}?h={sha256[:20]}")).status_code == 200
    assert (await guest.get("/s")).status_code == 200  # the form itself asks nothing


async def test_both_languages(guest: browser.Browser, owner: asyncpg.Connection, brand: Brand) -> None:
    number, sha256 = await paper(owner, brand)
    for guest.language, title in (("en", "Check a statement"), ("zh", "核对结算单")):
        for path in ("/s", f"/s/{number}?h={sha256[:20]}", f"/s/{number}?h=0"):
            assert f"<title>{title} ·" in (await guest.get(path)).text, path


async def test_the_app_reads_nothing_more_of_it(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    """Without a brand: what the page shows, and not the statement, its document or its payee's name."""
    number, sha256 = await paper(owner, brand)
    row = await app.fetchrow("SELECT * FROM statement_check($1, $2)", number, sha256[:20])
    assert row is not None
    assert dict(row) == {
        "statement_no": number, "brand_name": brand.name, "payee_initial": "1", "currency": "CNY", "decimals": 2, "net_minor": 1000,
        "first_day": dt.date(2026, 3, 1), "last_day": dt.date(2026, 3, 31), "sha256": sha256, "published_at": books.NOW,
    }  # fmt: skip
    assert await app.fetch("SELECT * FROM statement_check($1, $2)", number, sha256[:19]) == []
    for table in ("statement", "statement_document", "brand", "settlement_run"):
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0
