"""A manager at the pages of a plan, and what is stored of it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from tests import books
from tests.doors.console import visits

if TYPE_CHECKING:
    import httpx
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

DRAFT, RULE, IMPORT, SUBMIT = "/plans/draft", "/plans/draft/rule", "/plans/draft/import", "/plans/draft/submit"
HEAD = "code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on,event,reads"
OWN = "OWN,percent,1,,,,,net,0.1,0,,,,"
FAULT = re.compile(r'<p class="error" id="(\w+)-fault">')
FORM = {"kind": "percent", "level": "1", "basis": "net", "priority": "0", "step": "save"}


class Manager:
    """codes: recovery codes, each of which is good once."""

    def __init__(self, visitor: browser.Browser, who: permissions.Principal, brand: Brand) -> None:
        self.visitor, self.who, self.brand = visitor, who, brand
        self.codes = visitor.codes()

    @classmethod
    async def at_work(cls, house: browser.House, brand: Brand, role: permissions.Role = "manager") -> Manager:
        visitor, who = await visits.entered(house, brand.id, role)
        return cls(visitor, who, brand)

    async def opened(self) -> None:
        await self.visitor.get("/plans")
        answer = await self.visitor.send("/plans/draft/open")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{DRAFT}?done=opened")

    async def form(self, code: str = "") -> None:
        answer = await self.visitor.get(f"{RULE}?code={code}" if code else RULE)
        assert answer.status_code == 200, self.words

    async def take_in(self, *rows: str, head: str = HEAD) -> httpx.Response:
        await self.visitor.get(IMPORT)
        return await self.visitor.send(IMPORT, text="\n".join([head, *rows]), seen=self.visitor.hidden("seen"))

    async def submit(self, effective_on: str, **fields: str) -> httpx.Response:
        await self.visitor.get(SUBMIT)
        return await self.visitor.send(SUBMIT, effective_on=effective_on, **{"code": self.codes.pop(), **fields})

    @property
    def words(self) -> str:
        return html.unescape(visits.plain(self.visitor.page))

    @property
    def faults(self) -> list[str]:
        return FAULT.findall(self.visitor.page)

    async def rows(self) -> list[tuple[Any, ...]]:
        """Of the draft: code, kind, level, event, rate, change, what it replaces."""
        return await books.seen(
            self.brand,
            "SELECT d.code, d.kind, d.level, d.event, d.rate_text, d.change, d.replaces FROM plan_draft_rule d"
            " JOIN plan_version v ON v.brand_id = d.brand_id AND v.number = d.version"
            " WHERE v.state IN ('draft', 'submitted') ORDER BY d.code",
        )

    async def versions(self) -> list[tuple[Any, ...]]:
        return await books.seen(self.brand, "SELECT number, state FROM plan_version ORDER BY number")
