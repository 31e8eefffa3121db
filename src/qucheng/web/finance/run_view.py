"""What the page of a run shows: how far it is, what was checked, who asks and who decides, and what this person may do next."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import task
from qucheng.identity import approval as approvals
from qucheng.settlement import advance, checking, document_store, issuance, publication, run
from qucheng.settlement.checking import Check
from qucheng.settlement.document_store import Status
from qucheng.settlement.run import Run
from qucheng.web import auth
from qucheng.web.finance import facts

if TYPE_CHECKING:
    from litestar import Request

    from qucheng.identity.brand import Brand


class View(msgspec.Struct, frozen=True, kw_only=True):
    """state: its word. stale: something was accrued since the last look; newer: something was delivered since it was computed.

    offers: what this person may do with it now. moving: it changes by itself.
    """

    run: Run
    code: str
    state: str
    check: Check | None
    confirmed: Check | None
    stale: bool
    newer: bool
    approval: approvals.Approval | None
    documents: Status | None
    rendering: bool
    issuing: task.Task | None
    stopped: task.Task | None
    names: dict[uuid.UUID, str]
    offers: frozenset[str]

    @property
    def moving(self) -> bool:
        return (self.run.state == "issuing" and self.stopped is None) or self.rendering

    @property
    def lacking(self) -> int:
        """How many statements have no documents."""
        return self.documents.waiting + len(self.documents.failed) if self.documents else 0


async def of_code(request: Request[Any, Any, Any], code: str) -> tuple[Brand, Run]:
    """Raises RunUnknownError, for another brand's too."""
    brand = await facts.brand(request)
    brand_code, starts_on, number = run.parse_code(code)
    if brand_code != brand.code:
        raise run.RunUnknownError(f"{brand.code} has no run {code!r}.")
    return brand, await run.read(brand=brand, starts_on=starts_on, number=number)


async def of(request: Request[Any, Any, Any], brand: Brand, chosen: Run) -> View:
    at: dict[str, Any] = {"brand": brand, "starts_on": chosen.period, "number": chosen.number}
    check, confirmed = await checking.newest(**at), await checking.confirmed(**at)
    asked = await issuance.newest(brand=brand, chosen=chosen)
    stale = check is not None and chosen.state == "computed" and await checking.is_stale(brand=brand, chosen=chosen, check=check)
    issued = chosen.state == "issued"
    documents = await document_store.status(brand=brand, period=chosen.period) if issued else None
    rendering = issued and await publication.is_rendering(brand=brand, period=chosen.period)
    issuing = await _issuing(brand, chosen) if chosen.state == "issuing" else None
    state = _state(chosen, check, confirmed, asked, stale=stale)
    people = (
        *(found.checked_by for found in (check, confirmed) if found),
        *((asked.maker, asked.checker) if asked else ()),
        chosen.published_by,
    )
    found = View(
        run=chosen,
        code=run.code_of(brand, chosen),
        state=state,
        check=check,
        confirmed=confirmed,
        stale=stale,
        newer=chosen.state == "computed" and await run.is_stale(brand=brand, run=chosen),
        approval=asked,
        documents=documents,
        rendering=rendering,
        issuing=issuing,
        stopped=issuing if issuing is not None and issuing.state in {"dead", "cancelled"} else None,
        names=await facts.names(request, people),
        offers=frozenset(),
    )
    return msgspec.structs.replace(found, offers=_offers(auth.principal(request).permissions, found))


async def _issuing(brand: Brand, chosen: Run) -> task.Task | None:
    """The newest task that issues it."""
    subject = {"period": chosen.period.isoformat(), "number": chosen.number}
    found = await task.listing(brand_id=brand.id, kind=advance.ISSUE)
    return next((each for each in found if each.subject == subject), None)


def _state(chosen: Run, check: Check | None, confirmed: Check | None, asked: approvals.Approval | None, *, stale: bool) -> str:
    if chosen.state != "computed":
        return "published" if chosen.published_at else chosen.state
    if asked is not None and asked.state == "waiting" and asked.live:
        return "waiting"
    if check is not None and check.apart:
        return "differs"
    return "checked" if confirmed is not None and not stale else "computed"


def _offers(allowed: frozenset[str], view: View) -> frozenset[str]:
    drafted = view.state in {"computed", "checked", "differs"}
    unpublished = view.state == "issued" and not view.rendering
    wanted: dict[str, tuple[str, Any]] = {
        # what was accrued while a request waits is looked at, or nobody could allow it
        "check": ("runs.check", drafted or view.run.state == "issued" or (view.state == "waiting" and view.stale)),
        "compute": ("runs.compute", drafted),
        "discard": ("runs.discard", drafted),
        "request": ("runs.issue.request", view.state == "checked"),
        "decide": ("approvals.read", view.state == "waiting"),
        "publish": ("runs.publish", unpublished),
        "render": ("runs.publish", view.run.state == "issued" and not view.rendering and view.lacking),
        "archive": ("documents.export", view.run.state == "issued"),
    }
    return frozenset(name for name, (permission, fits) in wanted.items() if fits and permission in allowed)
