"""Where the network stands before the law: the thermometer of each root, the policy, what was refused, and what a move would do."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.identity import legal_opinion, policy_value
from qucheng.identity.brand import Brand
from qucheng.insight import earnings, self_purchases
from qucheng.network import attempt, compliance_report, thermometer
from qucheng.network import queries as network
from qucheng.web import guards, pages
from qucheng.web.console import compliance_words, insight_words
from qucheng.web.finance import books, desk
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE, WHAT_IF = "/compliance", "/compliance/what-if"
ROOTS, ATTEMPTS, MONTHS_BACK = 50, 20, 5
NO_DAY = n_("A day such as 2027-01-31.")
NO_RESELLER = n_("There is no reseller with this code.")


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody typed."""

    reseller: str = ""
    parent: str = ""
    on: str = ""


def today(brand: Brand, now: dt.datetime) -> dt.date:
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


@get(HERE, opt=guards.page("compliance.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """on: another day than today, past or to come."""
    brand, words = await books.brand_of(request), pages.words(request)
    this_day = today(brand, clock.now())
    on = books.day(request.query_params.get("on")) or this_day
    brand = await policy_value.on(brand, on)
    refused = await attempt.listing(brand_id=brand.id, most=ATTEMPTS)
    reports = await compliance_report.months(brand_id=brand.id, most=1)
    coverage = await legal_opinion.coverage(brand=brand, today=this_day)
    return await pages.view(
        request,
        "console/compliance.html",
        brand=brand,
        on=on,
        today=this_day,
        heats=await thermometer.read(brand_id=brand.id, on=on, most=ROOTS),
        totals=await thermometer.totals(brand_id=brand.id, on=on),
        amber=thermometer.AMBER_HEADS,
        red=thermometer.RED_HEADS,
        source=words.gettext(compliance_words.SOURCES[brand.policy]),
        policy=words.gettext(compliance_words.POLICIES[brand.policy]),
        two_tier=brand.policy == legal_opinion.POLICY,
        coverage=coverage,
        percent=shown.percent(brand.max_total_rate_ppm),
        shares=[
            (each, insight_words.share(each.share_ppm))
            for each in await self_purchases.months(brand_id=brand.id, since=months_back(this_day))
        ],
        medians=await _medians(brand),
        refused=[
            (each, compliance_words.tried(each, words), compliance_words.subject(each, words), compliance_words.why(each, words))
            for each in refused
        ],
        names=await desk.names(request, [*(each.user_id for each in refused), *_people(coverage)]),
        last_report=reports[0] if reports else None,
        asked=desk.an_id(request.query_params.get("asked")),
    )


@get(WHAT_IF, opt=guards.page("compliance.read"))
async def what_if(request: Request[Any, Any, Any]) -> Response[Any]:
    """Nothing is saved, so it is asked for in the address."""
    brand, words = await books.brand_of(request), pages.words(request)
    given = Moving(**{name: desk.text(request.query_params.get(name)) for name in ("reseller", "parent", "on")})
    on, faults, told = books.day(given.on), [], None
    if given.reseller:
        known = await thermometer.known(brand_id=brand.id, codes=[given.reseller, given.parent])
        if given.reseller not in known:
            faults.append(pages.Fault(field="reseller", message=words.gettext(NO_RESELLER)))
        if given.parent and given.parent not in known:
            faults.append(pages.Fault(field="parent", message=words.gettext(NO_RESELLER)))
        if on is None:
            faults.append(pages.Fault(field="on", message=words.gettext(NO_DAY)))
        elif not faults:
            told = await thermometer.what_if(brand=brand, reseller=given.reseller, parent=given.parent or None, on=on)
    return await pages.view(
        request,
        "console/compliance_move.html",
        status=422 if faults else 200,
        brand=brand,
        given=given if given.on else msgspec.structs.replace(given, on=str(today(brand, clock.now()) + dt.timedelta(days=1))),
        faults=faults,
        told=told,
        why=words.gettext(compliance_words.RULES.get(told.refusal, told.refusal)) if told and told.refusal else None,
        before={each.root: each for each in told.before} if told else {},
        after={each.root: each for each in told.after} if told else {},
        roots=sorted({each.root for each in (*told.before, *told.after)}) if told else [],
    )


def months_back(day: dt.date) -> dt.date:
    """The first day of the oldest month that is shown."""
    first = day.replace(day=1)
    for _ in range(MONTHS_BACK):
        first = (first - dt.timedelta(days=1)).replace(day=1)
    return first


def month_of(request: Request[Any, Any, Any], there: list[dt.date]) -> dt.date | None:
    """The month of the address, or the newest. Raises NotFoundException for one that there is not."""
    given = request.query_params.get("month")
    month = books.month(given)
    if given and month not in there:
        raise NotFoundException
    return month or (there[0] if there else None)


def _people(coverage: legal_opinion.Coverage) -> list[Any]:
    return [person for each in coverage.opinions for person in (each.author, each.approver)]


async def _medians(brand: Brand) -> list[tuple[str, earnings.Median | None]]:
    """Of the month that was published last, each tier by its name."""
    month = await earnings.last_month(brand_id=brand.id)
    if month is None:
        return []
    tiers = await network.tiers(brand_id=brand.id)
    return [(each.name, await earnings.median(brand_id=brand.id, month=month, tier=each.code)) for each in tiers]
