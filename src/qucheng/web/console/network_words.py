"""What the network's desk says: of places the law refuses, of forms that do not fit, and what was done."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors
from qucheng.identity import policy_value
from qucheng.insight import portal
from qucheng.network import admission, blocklist, placement, queries, standing
from qucheng.network import reseller as resellers
from qucheng.web import pages, refusals
from qucheng.web.console import promise
from qucheng.web.finance import facts
from qucheng.web.portal import shown
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from litestar import Request

    from qucheng.identity.brand import Brand
    from qucheng.web import texts

REFUSED = {
    "network.depth_exceeded": n_("Somebody would stand deeper than %(most)s in a line, which the policy does not allow."),
    "network.heads_exceeded": n_(
        "The root would have 30 heads or more and a line of three persons, which the law does not allow."
    ),
    "network.cycle": n_("It would stand below itself."),
    "network.parent_joined_later": n_("The one above has not joined by that day."),
    "placement.before_joined": n_("It has not joined by that day."),
    "placement.parent": n_("There is no reseller with this code to stand under."),
    "placement.parent_closed": n_("The account of the one above is closed, or will be: nobody is put below it."),
    "placement.day": n_(
        "A move takes effect tomorrow or later, and within a year: what is sold today is sold where the seller stands today."
    ),
    "placement.taken": n_("There is a move of this reseller on that day already. Choose another day."),
    "placement.same": n_("It stands there in that tier already, so nothing would change."),
    "reseller.closed": n_("Its account is closed on that day."),
    "reseller.taken": n_("A reseller has this code already. Choose another."),
    "delivery.busy": n_("A delivery is being taken in. This can be done when it is in the books; you can try again in %(wait)s."),
    "standing.reason": n_("Say why, in 1 to 500 characters. It stays on record."),
    "standing.day": n_("An account is closed today or later, and within a year."),
    "standing.state": n_("It is in another state by now, so nothing was done. The page shows it as it is."),
    "standing.has_below": n_(
        "Others stand below it on that day. Move them first, so that nobody stands below somebody who has left."
    ),
    "application.state": n_("This application was decided already, so nothing was done."),
    "application.first_waits": n_("The same person has applied before, and that application waits. Decide it first."),
}
UNFIT = {
    "code": n_("A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not one of our addresses."),
    "name": n_("A name has 1 to 80 characters."),
    "tier": n_("Choose a tier."),
    "channels": n_("Choose at least one channel to sell in."),
    "joined_on": n_("Choose a day from the application on, at most 90 days ahead."),
    "from_on": n_("Choose a day from today on."),
    "identity": n_("A hash has at most 200 characters."),
    "method": n_("Choose how it was checked."),
    "reference": n_("A reference has at most 80 characters."),
    "expires_on": n_("A day after today, or blank."),
}
FIELDS = {
    "network.depth_exceeded": "parent",
    "network.heads_exceeded": "parent",
    "network.cycle": "parent",
    "network.parent_joined_later": "parent",
    "placement.parent": "parent",
    "placement.parent_closed": "parent",
    "placement.before_joined": "day",
    "placement.day": "day",
    "placement.taken": "day",
    "placement.same": "parent",
    "reseller.taken": "code",
    "standing.reason": "reason",
    "standing.day": "closes_on",
}
# what a form answers by itself; anything else goes its way
ANSWERED = (
    placement.PlaceRefusedError,
    placement.MoveDayError,
    placement.MoveTakenError,
    placement.MoveNothingError,
    placement.ResellerClosedError,
    resellers.ResellerUnfitError,
    resellers.CodeTakenError,
    resellers.NetworkBusyError,
    standing.ReasonMissingError,
    standing.StandingDayError,
    standing.StandingStateError,
    standing.HasBelowError,
    admission.ApplicationStateError,
    admission.FirstWaitsError,
    blocklist.PromiseError,
)


def sentence(words: texts.Texts, brand: Brand, code: str, refusal: errors.RefusedError | None = None) -> str:
    values = {"most": brand.max_depth, "wait": refusals.wait(refusal, words) if refusal else ""}
    found: str = words.gettext(REFUSED[code]) % values
    return found


def fault(
    request: Request[Any, Any, Any], brand: Brand, refusal: errors.RefusedError, *, day: str = "day", code: str = "code"
) -> pages.Fault:
    """`day` and `code`: what the form calls the fields that say from when on, and which code."""
    if isinstance(refusal, blocklist.PromiseError):
        return pages.Fault(field="reason", message=promise.words(request, refusal.found))
    words, called = pages.words(request), {"day": day, "code": code}
    unfit: str | None = getattr(refusal, "field", None)
    if unfit is not None:
        return pages.Fault(field=called.get(unfit, unfit), message=words.gettext(UNFIT[unfit]))
    field = FIELDS.get(refusal.code, "")
    return pages.Fault(field=called.get(field, field) or None, message=sentence(words, brand, refusal.code, refusal))


async def desk(request: Request[Any, Any, Any]) -> tuple[Brand, dt.date]:
    """The brand with its limits of today, and today there."""
    brand = await facts.brand(request)
    today = portal.today(brand, clock.now())
    return await policy_value.on(brand, today), today


def day(text: str) -> dt.date | None:
    """Of a form; None for what is no day of these centuries."""
    try:
        found = dt.date.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if 1900 <= found.year < 2200 else None  # noqa: PLR2004 - the years of the books


def code(text: str) -> str:
    """Of an address. Raises NotFoundException for what is no code."""
    if resellers.CODE.fullmatch(text) is None:
        raise NotFoundException
    return text


async def tiers(brand: Brand) -> list[tuple[str, str]]:
    """Code and name, as a list to choose from."""
    return [(each.code, f"{each.name} ({each.code})") for each in await queries.tiers(brand_id=brand.id)]


def rate(text: str, basis: str) -> str:
    """Of a rule: money for a unit, or a share."""
    return shown.rate(text, basis)


def channels(sent: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix("channel_") for name in sent if name.startswith("channel_")))
