"""200 secrets go through the whole installation as it runs, its mistakes and its deaths, and are nowhere in clear."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import re
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import weasyprint
from tests import books, serving
from tests.doors.account import browser
from tests.doors.open_api import callers
from tests.faults import canaries, canary_wallet, site
from tests.rooms.identity import people
from tests.rooms.stock import card_desk

from qucheng.bundle import importing
from qucheng.core import clock, crypto, db
from qucheng.core.embedded import postgres, valkey
from qucheng.identity import api_key
from qucheng.redemption import store
from qucheng.settlement import advance
from qucheng.stock import card_intake, delivery_link, rules, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
COUNT, KILLED, MADE = 160, 35, 5
MONTH = dt.date(2026, 10, 1)
PHONE = "+8613800138000"


@pytest.fixture(scope="module")
async def at() -> AsyncIterator[site.Site]:
    """Servers of its own, that log as they do, and temporary files in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="qucheng-canaries-") as name:
        var = Path(name) / "var"
        for folder in (var, var / "tmp"):
            folder.mkdir()
        for folder in (Path(name), var):
            folder.chmod(0o755)
        made = site.Site(var, {})
        try:
            async with site.entered(made):
                yield made
        finally:
            made.end()
            for end in made.lifeline:
                os.close(end)
            valkey.discard(var)
            postgres.discard(var)


class Run:
    """What the steps share. codes: those that somebody brought, and those that were made here."""

    def __init__(self, at: site.Site, web: serving.Web, brand: Brand, until_the_end: contextlib.AsyncExitStack) -> None:
        self.at, self.web, self.brand, self.until_the_end = at, web, brand, until_the_end
        self.home = f"http://127.0.0.1:{web.port}"
        self.keys = crypto.keys(at.var / "keys")
        self.codes = [canaries.canary(number) for number in range(COUNT)]
        self.made: list[str] = []
        self.people: dict[str, permissions.Principal] = {}
        self.batch = 0

    def client(self) -> httpx.AsyncClient:
        client = httpx.AsyncClient(base_url=self.home, timeout=60, trust_env=False)
        self.until_the_end.push_async_callback(client.aclose)
        return client

    async def entered(self, role: permissions.Role, reseller: str | None = None) -> browser.Browser:
        login = f"{role}@example.com"
        self.people[role] = await people.member(self.keys, self.brand.id, role, reseller=reseller, login=login)
        visitor = browser.Browser(self.client())
        assert (await visitor.sign_in(login)).status_code == 303
        if role == "manager":
            await visitor.enrol()
        return visitor

    async def machine(self, *scopes: str) -> callers.Machine:
        maker, now = await people.member(self.keys, self.brand.id, "owner"), clock.now()
        issued = await api_key.create(
            keys=self.keys, brand_id=self.brand.id, name="machine", mode="live", reseller=None, scopes=scopes, networks=(),
            expires_at=now + dt.timedelta(days=7), created_by=maker.user_id, actor=people.actor(maker), now=now,
        )  # fmt: skip
        return callers.Machine(self.client(), issued, maker)

    async def done(self) -> None:
        """All that waits is done, except for what is dead."""
        for _ in range(600):
            if not [each for each in await site.waiting(self.brand) if each.state != "dead"]:
                return
            await asyncio.sleep(0.1)
        pytest.fail("the worker does not come to an end")

    def places(self) -> dict[str, set[str]]:
        """Of each place, where in it something was found."""
        needles = canaries.looks(canaries.MARK) + [look for code in self.made for look in canaries.looks(code)]
        backup = self.at.var.parent / "backup.zip"
        canaries.command(self.at, "backup", "--out", str(backup))
        try:
            return {
                "dump": canaries.found(needles, canaries.dump(self.at)),
                "valkey": canaries.found(needles, canaries.kept(self.at.valkey())),
                "metrics": canaries.found(needles, canaries.figures(self.at, self.web)),
                "web log": canaries.found(needles, iter([("serve.log", self.web.log.read_bytes())])),
                "backup": canaries.found(needles, canaries.unfolded("backup", backup.read_bytes())),
                # the servers' data and logs, the worker's log, papers, uploads, keys, temporary files
                "folders": canaries.found(needles, canaries.folder(self.at.var)),
            }
        finally:
            backup.unlink()


async def brand_of(folder: Path) -> Brand:
    """With orders of the month that is over."""
    lines = [f"O-{number},1,2026-10-0{number}T10:00:00,R1,web,card,3,200.00,0.00," for number in range(1, 6)]
    brand = await books.found(books.write(folder, code="canaries", orders=lines))
    await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE sku SET kind = 'card_secret' WHERE code = 'card'")
    return brand


async def posted(visitor: browser.Browser, fields: dict[str, str], name: str, content: bytes) -> httpx.Response:
    await visitor.get("/batches/import")
    token = browser.TOKEN.search(visitor.page)
    assert token is not None
    return await visitor.client.post(
        "/batches/import",
        data={"_csrf": token[1], **fields},
        files={"file": (name, content)},
        headers={"accept": "text/html", "origin": str(visitor.client.base_url).rstrip("/")},
    )


async def brought(run: Run, manager: browser.Browser) -> None:
    """By CSV and XLSX, twice, with faults, cut off; by a worker that is killed; and made here."""
    fields = {"sku": "card", "pool": str(await card_desk.own_pool(run.brand)), "refuse_weak": "1"}
    lost = [canaries.canary(number) for number in range(COUNT, COUNT + KILLED)]
    killed = run.at.worker(crash=card_intake.STORED)
    assert (await posted(manager, fields, "lost.csv", "\n".join(["code", *lost]).encode())).status_code == 303
    assert await site.ended(killed, within=site.PATIENCE) == -signal.SIGKILL
    run.at.worker()
    await run.done()
    rows = [f"{code},9{number:05}31" for number, code in enumerate(run.codes)]
    wrong = [f"{run.codes[0]},", f"{run.codes[1]}\x01,", f"{run.codes[2]},{'9' * 70}", f"{run.codes[3]}{'x' * 64},"]
    assert (await posted(manager, {**fields, "sku": "nothing"}, "c.csv", "\n".join(rows).encode())).status_code == 422
    sent = await posted(manager, fields, "c.csv", "\n".join(["code,pin", *rows, *wrong]).encode())
    assert sent.status_code == 303, sent.text
    run.batch = int(sent.headers["location"].rpartition("/")[2])
    await run.done()  # before the same codes come again: of two files that are read at once, either may be the first with a code
    for name, content in (
        ("again.xlsx", canaries.sheet(run.codes)),
        ("again.csv", "\n".join(run.codes).encode()),
        ("cut.csv", f'code\n"{run.codes[5]}'.encode()),
        ("cut.xlsx", canaries.sheet(run.codes)[:900]),
    ):
        assert (await posted(manager, fields, name, content)).status_code in (303, 422)
    await run.done()
    page = await manager.get(f"/batches/{run.batch}")
    report = await manager.get(f"/batches/{run.batch}/report.csv")
    assert (canaries.hits(run.codes, page.content), canaries.hits(run.codes, report.content), len(report.text.splitlines())) == (
        0,
        0,
        5,
    )
    await manager.get(f"/batches/{run.batch}")
    assert (await manager.send(f"/batches/{run.batch}/release")).status_code == 303
    actor = await card_desk.somebody(run.keys)
    run.made = await card_desk.plain(run.brand, run.keys, await card_desk.stocked(run.brand, run.keys, MADE, actor))
    await run.done()
    async with db.atomic(run.brand.id):
        assert await db.connection().fetchval("SELECT count(*) FROM card WHERE batch = $1", run.batch) == COUNT


async def shown(run: Run, manager: browser.Browser) -> list[str]:
    """To staff, a reseller, a machine and the buyer; and refused to each. Returns the codes of an order."""
    actor = await card_desk.somebody(run.keys)
    own = {order: await card_desk.delivered(run.brand, order, 3, actor) for order in ("O-1", "O-2", "O-3", "O-4")}
    code_of = {(run.batch, number): code for number, code in enumerate(run.codes, start=1)}
    card = rules.card_id(*own["O-1"][0])
    await manager.get(f"/cards/{card}")
    assert (await manager.send(f"/cards/{card}/reveal", purpose="")).status_code == 422
    assert canaries.hits(run.codes, (await manager.send(f"/cards/{card}/reveal", purpose="the buyer lost it")).content) == 1
    await manager.get("/trace")
    found = await manager.send("/trace", way="code", typed=code_of[own["O-1"][0]])
    assert (card in found.text, canaries.hits(run.codes, found.content)) == (True, 0)
    await manager.get("/trace")
    await manager.send("/trace", way="order", typed=run.codes[9])
    seller = await run.entered("seller", "R1")
    await seller.get("/portal/orders/O-2/cards")
    assert (await seller.send("/portal/orders/O-2/cards", purpose="not yet")).status_code == 403
    await manager.get("/batches")
    assert (await manager.send("/batches/resellers", may="1")).status_code == 303
    await seller.get("/portal/orders/O-2/cards")
    assert (await seller.send("/portal/orders/O-2/cards", purpose="")).status_code == 422
    assert canaries.hits(run.codes, (await seller.send("/portal/orders/O-2/cards", purpose="for the buyer")).content) == 3
    machine, other = await run.machine("cards.reveal"), await run.machine("claims.write")
    path = f"/api/v1/cards/{rules.card_id(*own['O-3'][0])}/reveal"
    assert canaries.hits(run.codes, (await machine.post(path, {"purpose": "delivery"})).content) == 1
    assert (await other.post(path, {"purpose": "delivery"})).status_code == 403
    assert (await machine.post(f"/api/v1/cards/{run.codes[7]}/reveal", {"purpose": "x"})).status_code == 404
    async with db.atomic(run.brand.id):
        address = await delivery_link.make(
            brand_id=run.brand.id, keys=run.keys, order_no="O-4", phone=PHONE, actor=actor, now=clock.now()
        )
    await run.done()
    buyer = browser.Browser(run.client())
    await buyer.get(address)
    owner = await run.at.owner()
    await owner.execute("REVOKE INSERT ON audit_record FROM qucheng_app")
    assert (await buyer.send(address)).status_code == 503
    await owner.execute("GRANT INSERT ON audit_record TO qucheng_app")
    await owner.close()
    assert canaries.hits(run.codes, (await buyer.send(address)).content) == 3
    assert PHONE in (await buyer.get("/simulator/messages")).text
    return [code_of[place] for place in own["O-4"]]


async def redeemed(run: Run, codes: list[str]) -> None:
    """Right, once more, unknown, and where it does not belong."""
    machine, actor = await run.machine("cards.redeem"), await card_desk.somebody(run.keys)
    await store.open_store(brand_id=run.brand.id, code="S1", name="一店", actor=actor, now=clock.now())
    bare = await run.machine("cards.redeem")

    async def send(
        body: Any,
        key: str,
        *,
        by: callers.Machine = machine,
        path: str = "/api/v1/redemptions",
        more: dict[str, str] | None = None,
    ) -> Any:
        head = {"authorization": f"Bearer {by.issued.token}", "content-type": "application/json", "idempotency-key": key}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await by.client.post(path, content=content, headers=head | (more or {}))

    assert (await send({"code": codes[0]}, "k-0", by=bare)).json()["result"] == "unknown"
    await store.add_terminal(
        brand_id=run.brand.id, store="S1", name="till", api_key=machine.issued.id, actor=actor, now=clock.now()
    )
    said = [
        (await send({"code": code}, key)).json()["result"]
        for code, key in ((codes[0], "k-1"), (codes[0], "k-2"), (codes[1] + "9", "k-3"))
    ]
    assert said == ["ok", "used", "unknown"]
    assert (await send({"code": codes[0]}, codes[2])).json()["result"] == "used"
    for body in (
        {"dynamic": codes[1]},
        {"digits": codes[1]},
        {"code": [codes[1]]},
        {codes[1]: 1},
        f'{{"code": "{codes[1]}"'.encode(),
    ):
        await send(body, "k-4")
    await send({"code": codes[1]}, "k-5", more={"x-request-id": "x", "x-code": codes[1], "user-agent": codes[1]})
    assert (await send({"key": codes[1], "reason": "x"}, codes[1], path="/api/v1/reversals")).json()["result"] == "blocked"
    await send({"code": codes[1]}, "k-7", path=f"/api/v1/redemptions/{codes[1]}")
    await machine.get("/api/v1/redemptions", key=codes[1])
    await machine.get("/api/v1/redemptions", code=codes[1], **{codes[2]: codes[2]})
    owner = await run.at.owner()
    await owner.execute("REVOKE INSERT ON redemption FROM qucheng_app")
    assert (await send({"code": codes[1]}, "k-8")).status_code in (500, 503)
    await owner.execute("GRANT INSERT ON redemption TO qucheng_app")
    # a statement with a code among its values fails, and one that would be there twice
    with contextlib.suppress(Exception):
        await owner.execute("SELECT 1 / length(left($1::text, 0))", codes[1])
    await owner.close()


async def at_a_till(run: Run, codes: list[str]) -> None:
    """By a clerk: looked at, redeemed, used, unknown, and typed where digits belong."""
    clerk, now = await run.entered("clerk"), clock.now()
    await store.add_terminal(
        brand_id=run.brand.id,
        store="S1",
        name="desk",
        user_id=run.people["clerk"].user_id,
        actor=await card_desk.somebody(run.keys),
        now=now,
    )
    pages = []
    for fields in ({"text": codes[2]}, {"text": codes[0]}, {"text": codes[2] + "9"}, {"digits": codes[2], "phone_end": codes[2]}):
        await clerk.get("/redeem")
        pages.append(await clerk.send("/redeem/look", **fields))
        if fields.get("text") == codes[2]:
            pages.append(await clerk.send("/redeem/confirm", ticket=clerk.hidden("ticket")))
    pages.append(await clerk.get("/redeem/today"))
    assert [canaries.hits(run.codes, page.content) for page in pages[:4]] == [0, 0, 0, 0]
    assert await books.seen(run.brand, "SELECT count(*) FROM card WHERE state = 'redeemed'") == [(3,)]


async def mistaken(run: Run, manager: browser.Browser) -> None:
    """Pages that are asked for with a code in the place of something else."""
    code = run.codes[11]
    stranger = browser.Browser(run.client())
    await stranger.sign_in(code, code)
    for visitor in (stranger, manager):
        for path in (
            "/{}",
            "/cards/{}",
            "/c/{}",
            "/o/{}",
            "/orders?q={}",
            "/orders/{}",
            "/batches/{}",
            "/trace?typed={}",
            "/skus/{}",
        ):
            await visitor.get(path.format(code))
    await stranger.client.request(code, "/")
    await stranger.post("/c/" + "x" * 43, {"code": code, code: code})


async def stopped(run: Run) -> None:
    actor = await card_desk.somebody(run.keys)
    chosen: dict[str, Any] = {
        "brand": run.brand,
        "chosen": stop.Chosen(batch=run.batch),
        "reason": "checked",
        "actor": actor,
        "now": clock.now(),
    }
    await stop.freeze(**chosen)
    await stop.unfreeze(**chosen)
    await stop.void(**chosen)


async def settled(run: Run, manager: browser.Browser) -> None:
    """The month with these orders: statements, their papers, exports; and the ring of keys gets another."""
    await advance.request(brand=run.brand, through=MONTH, draft=False, now=clock.now())
    await run.done()
    papers = [path for path in run.at.settings.documents.rglob("*") if path.is_file()]
    assert {path.suffix for path in papers} >= {".pdf", ".xlsx", ".csv"}
    for path in ("/orders", "/batches", "/statements", "/statements.csv"):
        assert canaries.hits(run.codes, (await manager.get(path)).content) == 0
    assert "seals from now on" in canaries.command(run.at, "keys", "rotate")
    await run.done()


async def plant(run: Run) -> None:
    """The control: one secret in each place, put there as it would get there."""
    secret, owner = run.codes[3], await run.at.owner()
    await owner.execute("CREATE TABLE planted (plain text PRIMARY KEY, bytes bytea)")
    await owner.execute("INSERT INTO planted VALUES ($1, convert_to($2, 'UTF8'))", secret, run.codes[4])
    await owner.execute(f"DO $$ BEGIN RAISE LOG 'planted {secret}'; END $$")
    await owner.close()
    client = run.at.valkey()
    client.xadd("planted", {"code": secret})
    with run.web.log.open("r+b") as log:  # where the process, which goes on writing, does not come to
        log.seek(1_000_000, os.SEEK_END)
        log.write(json.dumps({"event": secret.lower()}).encode())
    papers = run.at.settings.documents
    weasyprint.HTML(string=f"<p>{secret}</p>").write_pdf(papers / "planted.pdf")
    (papers / "planted.xlsx").write_bytes(canaries.sheet([secret]))
    (run.at.var / "tmp" / "planted").write_bytes(canaries.base64.b64encode(b"x" + secret.encode()))


async def test_two_hundred_codes_go_through_the_installation_and_stand_nowhere_in_clear(at: site.Site) -> None:
    temporary = {"TMPDIR": str(at.var / "tmp")}
    os.environ["TMPDIR"], before = temporary["TMPDIR"], os.environ.get("TMPDIR")
    try:
        async with contextlib.AsyncExitStack() as until_the_end:
            web = until_the_end.enter_context(serving.web(at.var, **temporary))
            run = Run(at, web, await brand_of(at.var / "bundle"), until_the_end)
            manager = await run.entered("manager")
            await brought(run, manager)
            codes = await shown(run, manager)
            await redeemed(run, codes)
            await at_a_till(run, codes)
            await canary_wallet.shown(run)
            await mistaken(run, manager)
            await stopped(run)
            await settled(run, manager)
            assert {place: found for place, found in run.places().items() if found} == {}
            await plant(run)
            found = run.places()
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
    places = " ".join(found["folders"])
    assert [name for name in ("dump", "valkey", "web log", "backup") if not found[name]] == []
    assert all(re.search(word, places) for word in (r"planted\.pdf", r"planted\.xlsx", "tmp/planted", r"\.log", "valkey")), places
