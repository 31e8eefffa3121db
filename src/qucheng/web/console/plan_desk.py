"""What the pages of commission plans share: the brand, its names, what the policy allows, and the panel of the linter."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.commission import plan_check, plan_draft
from qucheng.core import clock, money
from qucheng.identity import policy_value
from qucheng.identity.brand import Brand
from qucheng.insight import plan_choices
from qucheng.web import auth, pages, texts
from qucheng.web.console import plan_rates, plan_told
from qucheng.web.finance import books, facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from litestar import Request, Response

    from qucheng.commission import plan_version

PLANS, DRAFT = "/plans", "/plans/draft"
POLICIES = {
    "cn-strict": n_("Mainland China, strict: the seller alone earns"),
    "cn-two-tier": n_("Mainland China, with a legal opinion: the seller and one above it"),
    "intl": n_("International: the seller and at most two above it"),
}
# what a version is called on every page; a live one is in force, one that is scheduled comes
STATES = ("draft", "submitted", "scheduled", "live", "ended", "discarded")


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """words: of the reader. names: of what rules are limited to."""

    brand: Brand
    words: texts.Texts
    choices: plan_choices.Choices
    names: plan_told.Names
    may_edit: bool
    may_ask: bool


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The worst case, in words."""

    rules: tuple[str, ...]
    sku: str
    channel: str
    tier: str
    since: str
    price: str
    cost: str
    commission: str
    rate: str


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """What the linter says. more: refusals that are not told one by one."""

    passed: bool
    refusals: list[plan_told.Refusal]
    more: int
    worst: Case | None
    check: plan_check.Check


async def of(request: Request[Any, Any, Any]) -> Desk:
    """Under the limits of tomorrow, the first day on which a plan may begin."""
    brand = await books.brand_of(request)
    brand = await policy_value.on(brand, plan_check.tomorrow(brand, clock.now()))
    allowed = auth.principal(request).permissions
    choices = await plan_choices.choices(brand=brand)
    return Desk(
        brand=brand,
        words=pages.words(request),
        choices=choices,
        names=choices.names(),
        may_edit="plans.edit" in allowed,
        may_ask="plans.request" in allowed,
    )


async def view(
    request: Request[Any, Any, Any],
    template: str,
    desk: Desk,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: object,
) -> Response[Any]:
    return await pages.view(
        request,
        f"console/{template}.html",
        status=status,
        headers=headers,
        brand=desk.brand,
        desk_of=desk,
        percent=plan_rates.of_ppm,
        policies=POLICIES,
        unit=unit(desk),
        **values,
    )


async def current(desk: Desk) -> plan_draft.Draft | None:
    """The draft, or what waits for its approval."""
    return await plan_draft.current(brand=desk.brand)


def unit(desk: Desk) -> str:
    return desk.words.unit(desk.brand.currency)


def today(brand: Brand) -> dt.date:
    return clock.now().astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


async def people(request: Request[Any, Any, Any], versions: Iterable[plan_version.Version]) -> dict[UUID, str]:
    return await facts.names(request, [who for each in versions for who in (each.author, each.submitted_by, each.approver)])


def state(version: plan_version.Version, live: plan_version.Live, day: dt.date) -> str:
    """What it is called: an approved one is live, scheduled or ended, others are what they are."""
    if version.state != "approved":
        return version.state
    if live.version is not None and live.version.number == version.number:
        return "live"
    return "scheduled" if version.effective_on is not None and version.effective_on > day else "ended"


def panel(desk: Desk, check: plan_check.Check) -> Panel:
    return Panel(
        passed=check.passed,
        refusals=plan_told.refusals(check, desk.words),
        more=check.more,
        worst=case(desk, check.worst) if check.worst else None,
        check=check,
    )


def case(desk: Desk, worst: plan_check.Worst) -> Case:
    def figure(minor: int) -> str:
        return money.format_display(minor, desk.brand.decimals)

    def name(what: str, code: str) -> str:
        return desk.names[what].get(code, code)

    return Case(
        rules=tuple(worst.rules),
        sku=name("sku", worst.sku),
        channel=name("channel", worst.channel),
        tier=name("tier", worst.tier),
        since=str(worst.since or ""),
        price=figure(worst.price_minor),
        cost=figure(worst.cost_minor),
        commission=figure(worst.commission_minor),
        rate=plan_rates.of_ppm(worst.rate_ppm) if worst.rate_ppm is not None else "—",
    )
