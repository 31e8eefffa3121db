"""Deliveries by page: a month sent, taken in and reported row by row; who may, and what is refused."""

from __future__ import annotations

import csv
import io
import re
import uuid
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.account import browser
from tests.doors.finance import keepers

from qucheng.bundle import upload
from qucheng.web import streaming

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

HEAD = ",".join(books.COLUMNS["orders"])
GOOD = "O-1,1,2026-03-05T10:00:00,R1,web,card,1,100.00,,\n"
DEVIANT = "O-2,1,2026-03-06T10:00:00,R1,web,card,1,90.00,,\n"
MONTH = (
    f"{HEAD}\n{GOOD}{DEVIANT}O-3,1,2026-03-07T10:00:00,R9,web,card,1,100.00,,\nO-4,1,yesterday,R1,web,card,1,100.00,,\n".encode()
)
REFUND = ",".join(books.COLUMNS["refunds"]) + "\nF-1,O-1,1,2026-03-08T10:00:00,1,40.00\n"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:12]}", prices=["card,,,100.00,,2026-01-01,"])
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


def zipped(folder: Path, **changed: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(f"books/{path.name}", changed.get(path.stem, path.read_bytes()))
    return made.getvalue()


async def stored(brand: Brand) -> tuple[int, ...]:
    """Intakes, lines, refunds, accruals."""
    (row,) = await books.seen(
        brand,
        "SELECT (SELECT count(*) FROM intake), (SELECT count(*) FROM order_line), (SELECT count(*) FROM refund), (SELECT count(*) FROM accrual)",
    )
    return row


async def test_a_month_is_sent_taken_in_and_reported(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    assert (await keeper.open("/uploads")).status_code == 200
    answer = await keepers.send_file(keeper, MONTH, name="March 三月.csv")
    assert answer.status_code == 303
    address = answer.headers["location"]
    await keeper.get(address)
    assert (">Received<" in keeper.page, "March 三月.csv" in keeper.page, 'hx-trigger="every 2s"' in keeper.page) == (
        True,
        True,
        True,
    )
    assert await stored(brand) == (1, 0, 0, 0)
    assert [each.state for each in await keepers.work_off(house, brand)] == ["done"]
    assert await stored(brand) == (2, 2, 0, 2)
    await keeper.get(address)
    counts = re.findall(r'<td class="r num[^"]*">([0-9,]+)</td>', keeper.page.split("<tbody>")[1].split("</tbody>")[0])
    assert counts == ["4", "2", "0", "2", "1"]
    sentences = [
        "reseller: no accepted row has what it refers to; add or mend that first",
        "paid_at: must be a time from 1900 to 2199 such as 2026-03-01T12:00:00+08:00",
        "gross is not the channel&#39;s price of that day",
    ]
    assert [each in keeper.page for each in [*sentences, ">Done<", "hx-trigger"]] == [True, True, True, True, False]
    keeper.language = "zh-CN"
    await keeper.get(address)
    assert "reseller：所指的行不存在，或已被拒绝；请先补上" in keeper.page
    report = await keeper.get(f"{address}/report.csv")
    assert report.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(report.content.decode("utf-8-sig"))))
    assert [(row["row"], row["result"], row["code"], row["column"]) for row in rows] == [
        ("2", "flagged", "order.price_deviates", ""),
        ("3", "rejected", "ref.unknown", "reseller"),
        ("4", "rejected", "value.invalid", "paid_at"),
    ]
    assert (rows[1]["sentence_en"], rows[1]["sentence_zh"]) == (sentences[0], "reseller：所指的行不存在，或已被拒绝；请先补上")
    folder = house.app.state["site"].settings.var / upload.FOLDER
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_the_same_file_again_stores_nothing_and_says_so(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    found = []
    for _ in range(2):
        await keeper.get("/uploads")
        address = (await keepers.send_file(keeper, MONTH)).headers["location"]
        await keepers.work_off(house, brand)
        await keeper.get(address)
        found.append((await stored(brand), "Nothing new" in keeper.page, "The same file was taken in before." in keeper.page))
    assert found == [((2, 2, 0, 2), False, False), ((2, 2, 0, 2), True, True)]
    counts = re.findall(r'<td class="r num[^"]*">([0-9,]+)</td>', keeper.page.split("<tbody>")[1].split("</tbody>")[0])
    assert counts == ["4", "0", "2", "2", "0"]
    await keeper.get("/uploads")
    assert keeper.page.count(">Done<") == 2


async def test_refunds_alone_take_back_what_was_earned(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "owner")
    for kind, content in (("orders", f"{HEAD}\n{GOOD}"), ("refunds", REFUND)):
        await keeper.get("/uploads")
        assert (await keepers.send_file(keeper, content.encode(), kind=kind)).status_code == 303
        await keepers.work_off(house, brand)
    assert await stored(brand) == (3, 1, 1, 1)
    assert await books.seen(brand, "SELECT amount_minor FROM reversal") == [(-400,)]


async def test_fulfilments_alone_are_kept_with_the_lines_that_are_there(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "owner")
    done = (
        ",".join(books.COLUMNS["fulfilments"])
        + "\nO-1,1,delivered,2026-03-08T10:00:00,1\nO-9,1,delivered,2026-03-08T10:00:00,1\n"
    )
    for kind, content in (("orders", f"{HEAD}\n{GOOD}"), ("fulfilments", done)):
        await keeper.get("/uploads")
        assert (await keepers.send_file(keeper, content.encode(), kind=kind)).status_code == 303
        await keepers.work_off(house, brand)
    assert await books.seen(brand, "SELECT order_no, event, quantity, source_row FROM fulfilment") == [("O-1", "delivered", 1, 1)]
    assert await books.seen(brand, "SELECT file, source_row, code FROM rejection") == [("fulfilments.csv", 2, "ref.unknown")]


async def test_a_bundle_is_taken_in_whole(house: browser.House, brand: Brand, tmp_path: Path) -> None:
    folder = books.write(
        tmp_path / "next",
        code=brand.code,
        orders=[GOOD.strip()],
        resellers=["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,,gold,2026-01-01,"],
    )
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    address = (await keepers.send_file(keeper, zipped(folder), kind="bundle", name="b.zip")).headers["location"]
    await keepers.work_off(house, brand)
    await keeper.get(address)
    assert await stored(brand) == (2, 1, 0, 1)
    assert await books.seen(brand, "SELECT code FROM reseller ORDER BY code") == [("R1",), ("R2",)]
    assert await books.seen(
        brand, "SELECT file, rows, imported, duplicate FROM upload_file WHERE file IN ('orders.csv', 'resellers.csv') ORDER BY 1"
    ) == [
        ("orders.csv", 1, 1, 0),
        ("resellers.csv", 2, 1, 1),
    ]


@pytest.mark.parametrize(
    ("kind", "content", "code", "shown"),
    [
        ("bundle", b"PK\x03\x04 not really", "archive.refused", "The ZIP cannot be taken"),
        ("orders", b"\xff\xfe\x00", "bundle.unreadable", "A file cannot be read"),
        ("orders", b"order,line\n1,2\n", "bundle.unreadable", "lacks required columns"),
        ("refunds", MONTH, "bundle.unreadable", "has unknown columns"),
        ("orders", b"a" * 100, "bundle.unreadable", "has unknown columns"),
    ],
)
async def test_what_is_no_delivery_is_refused_with_its_reason(
    house: browser.House, brand: Brand, kind: str, content: bytes, code: str, shown: str
) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    address = (await keepers.send_file(keeper, content, kind=kind)).headers["location"]
    assert [each.state for each in await keepers.work_off(house, brand)] == ["done"]
    await keeper.get(address)
    assert (">Refused<" in keeper.page, shown in keeper.page) == (True, True)
    assert await books.seen(brand, "SELECT state, code, intake FROM upload") == [("refused", code, None)]
    assert await stored(brand) == (1, 0, 0, 0)
    folder = house.app.state["site"].settings.var / upload.FOLDER
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_another_brands_bundle_and_other_settings_are_refused(house: browser.House, brand: Brand, tmp_path: Path) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    other = zipped(books.write(tmp_path / "other", code="somebody-else", orders=[GOOD.strip()]))
    settings = zipped(books.write(tmp_path / "settings", code=brand.code, settlement="hold_days = 5", orders=[GOOD.strip()]))
    for content in (other, settings):
        await keeper.get("/uploads")
        await keepers.send_file(keeper, content, kind="bundle", name="b.zip")
        await keepers.work_off(house, brand)
    found = await books.seen(brand, "SELECT code, reason FROM upload ORDER BY uploaded_at")
    assert [code for code, _ in found] == ["upload.other_brand", "brand.settings_differ"]
    assert found[0][1] == f"This is the bundle of somebody-else, and here are the books of {brand.code}."
    assert "settlement.hold_days is 0, given 5" in found[1][1]
    assert await stored(brand) == (1, 0, 0, 0)


async def test_forms_that_lack_something_keep_nothing(
    house: browser.House, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    page, answers = keeper.page, []
    monkeypatch.setattr(upload, "LARGEST", 1000)
    for content, kind, name in (
        (b"", "orders", "a.csv"),
        (b"x", "money", "a.csv"),
        (b"x", "orders", ""),
        (b"x" * 1001, "orders", "a.csv"),
    ):
        keeper.page = page
        answer = await keepers.send_file(keeper, content, kind=kind, name=name)
        answers.append((answer.status_code, re.findall(r'<p class="error" id="[a-z]+-fault">.*?<span>(.*?)</span>', answer.text)))
    assert answers == [
        (422, ["The file is empty."]),
        (422, ["Say what the file is."]),
        (422, ["Choose a file."]),
        (422, ["The file is larger than 256 MB: send the month in parts, or packed as a bundle."]),
    ]
    assert await books.seen(brand, "SELECT count(*) FROM upload") == [(0,)]
    folder = house.app.state["site"].settings.var / upload.FOLDER
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_a_body_that_is_announced_too_large_is_not_read(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    found = browser.TOKEN.search(keeper.page)
    assert found is not None
    taken = 0

    async def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    answer = await keeper.client.post(
        "/uploads",
        content=endless(),  # type: ignore[arg-type]
        headers={
            "content-type": "multipart/form-data; boundary=b",
            "content-length": str(upload.LARGEST + streaming.ROOM + 1),
            "origin": browser.HOME,
            "x-csrf-token": found[1],
        },
    )
    assert answer.status_code == 413
    assert taken <= 1
    assert await books.seen(brand, "SELECT count(*) FROM upload") == [(0,)]


@pytest.mark.parametrize("forged", ["no token", "a foreign token", "the token behind the file", "another origin"])
async def test_a_forged_form_is_refused_before_its_file_is_kept(house: browser.House, brand: Brand, forged: str) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    stranger = await keepers.signed_in(house, brand.id, "accountant")
    for each in (keeper, stranger):
        await each.get("/uploads")
    own, foreign = (browser.TOKEN.search(each.page)[1] for each in (keeper, stranger))  # type: ignore[index]
    fields = {"a foreign token": {"_csrf": foreign}, "another origin": {"_csrf": own}}.get(forged, {})
    parts = [("kind", "orders"), *fields.items()]
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts)
    body += '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + MONTH.decode() + "\r\n"
    if forged == "the token behind the file":
        body += f'--b\r\nContent-Disposition: form-data; name="_csrf"\r\n\r\n{own}\r\n'
    answer = await keeper.client.post(
        "/uploads",
        content=(body + "--b--\r\n").encode(),
        headers={
            "content-type": "multipart/form-data; boundary=b",
            "origin": "https://evil.example" if forged == "another origin" else browser.HOME,
        },
    )
    assert answer.status_code == 403
    assert await books.seen(brand, "SELECT count(*) FROM upload") == [(0,)]
    folder = house.app.state["site"].settings.var / upload.FOLDER
    assert not folder.exists()


async def test_control_the_same_bytes_with_the_token_are_taken(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    own = browser.TOKEN.search(keeper.page)[1]  # type: ignore[index]
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("kind", "orders"), ("_csrf", own))
    )
    body += '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + MONTH.decode() + "\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b", "origin": browser.HOME}
    assert (await keeper.client.post("/uploads", content=body.encode(), headers=headers)).status_code == 303
    assert await books.seen(brand, "SELECT kind, file_name, state FROM upload") == [("orders", "a.csv", "received")]


async def test_others_see_no_delivery(house: browser.House, brand: Brand, tmp_path: Path) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    address = (await keepers.send_file(keeper, MONTH)).headers["location"]
    elsewhere = await books.found(books.write(tmp_path / "elsewhere", code=f"b-{uuid.uuid4().hex[:12]}"))
    found = {}
    for name, brand_id, role in (
        ("other brand", elsewhere.id, "accountant"),
        ("auditor", brand.id, "auditor"),
        ("support", brand.id, "support"),
    ):
        other = await keepers.signed_in(house, brand_id, role)  # type: ignore[arg-type]
        got = [(await other.get(path)).status_code for path in ("/uploads", address, f"{address}/report.csv")]
        found[name] = [*got, 'type="file"' in (await other.get("/uploads")).text]
    assert found == {
        "other brand": [200, 404, 404, True],
        "auditor": [200, 200, 200, False],
        "support": [404, 404, 404, False],
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('--b\r\nContent-Disposition: form-data; name="kind"\r\n\r\n' + "x" * 5000 + "\r\n--b--\r\n", 400),
        (
            "".join(f'--b\r\nContent-Disposition: form-data; name="f{number}"\r\n\r\nx\r\n' for number in range(20))
            + "--b--\r\n",
            400,
        ),
        ('--b\r\nContent-Disposition: form-data; name="kind"\r\n\r\norders', 400),
        ("no form at all", 400),
        ("", 400),
    ],
    ids=["a long field", "many fields", "cut off", "nothing of a form", "empty"],
)
async def test_a_form_that_is_none_is_refused(house: browser.House, brand: Brand, body: str, status: int) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    headers = {"content-type": "multipart/form-data; boundary=b", "origin": browser.HOME}
    assert (await keeper.client.post("/uploads", content=body.encode(), headers=headers)).status_code == status
    plain = await keeper.client.post("/uploads", data={"kind": "orders"}, headers={"origin": browser.HOME})
    assert plain.status_code == 400
    assert await books.seen(brand, "SELECT count(*) FROM upload") == [(0,)]


async def test_a_file_whose_end_never_comes_is_not_kept(house: browser.House, brand: Brand) -> None:
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/uploads")
    own = browser.TOKEN.search(keeper.page)[1]  # type: ignore[index]
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("kind", "orders"), ("_csrf", own))
    )
    body = parts + '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + MONTH.decode()
    headers = {"content-type": "multipart/form-data; boundary=b", "origin": browser.HOME}
    assert (await keeper.client.post("/uploads", content=body.encode(), headers=headers)).status_code == 400
    assert await books.seen(brand, "SELECT count(*) FROM upload") == [(0,)]
    folder = house.app.state["site"].settings.var / upload.FOLDER
    assert [path for path in folder.rglob("*") if path.is_file()] == []
