"""What a request asks for, in plain words and in the order in which a person reads it. What is not known is shown as it stands."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

from qucheng.identity import approval as approvals
from qucheng.identity import role_request
from qucheng.web import named_words
from qucheng.web.console import plan_rates
from qucheng.web.finance import facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity.brand import Brand
    from qucheng.web import texts

LABELS = {
    "brand": n_("Brand"),
    "period": n_("Month"),
    "run": n_("Run"),
    "statements": n_("Statements"),
    "gross_minor": n_("Commission of the month"),
    "tax_minor": n_("Tax withheld"),
    "net_minor": n_("To be paid"),
    "intake": n_("Deliveries up to"),
    "code": n_("Code"),
    "reseller": n_("Reseller"),
    "amount_minor": n_("Figure"),
    "reason": n_("Reason on the statement"),
    "reference": n_("Refers to"),
    "note": n_("Note"),
    "dispute": n_("Answers the dispute"),
    "login": n_("Login"),
    "role": n_("Role"),
    "effective_on": n_("First day in force"),
    "based_on": n_("Follows plan"),
    "added": n_("New rules"),
    "dropped": n_("Rules that end"),
    "rules": n_("Rules in all"),
    "worst_ppm": n_("Worst case of the price"),
    "sha256": n_("Hash of the plan"),
    "expires_on": n_("Holds until"),
}
# what the same name means in requests of one kind
LABELS_OF = {
    "plan.publish": {"version": n_("Plan")},
    "prices.publish": {
        "version": n_("Version"),
        "name": n_("Name of the version"),
        "effective_on": n_("Takes effect on"),
        "changes": n_("Number of changes"),
        "based_on": n_("Made from version"),
        "restores": n_("Brings back version"),
    },
    "policy.tighten": {
        "max_depth": n_("Depth cap"),
        "max_levels": n_("Levels that earn"),
        "max_total_rate_ppm": n_("All commissions"),
        "starts_on": n_("From this day on"),
    },
    "redemption.reverse": {"card": n_("Card"), "redeemed_at": n_("Redeemed at"), "reason": n_("Reason")},
}
HIDDEN_OF = {"prices.publish": {"sha256", "effective_at"}, "redemption.reverse": {"redemption"}}
HIDDEN = {"reason_code", "reference_kind", "currency", "invitation"}


def title(asked: approvals.Approval, words: texts.Texts) -> str:
    return words.gettext(named_words.ACTIONS[asked.action]) if asked.action in named_words.ACTIONS else asked.action


def headline(asked: approvals.Approval, brand: Brand) -> str:
    """The one thing that tells it from others: the run with its amount, the reseller with its amount."""
    said = asked.payload
    if asked.action == "run.issue":
        return f"{said['period']} · {facts.figure(brand, said['net_minor'])}"
    if asked.action == "adjustment.add":
        return f"{said['reseller']} · {facts.figure(brand, said['amount_minor'])}"
    if asked.action == "plan.publish":
        return f"{brand.code}-plan-{said['version']} · {said['effective_on']}"
    if asked.action == "redemption.reverse":
        return str(said["card"])
    if asked.action == "prices.publish":
        return f"{said['version']} · {said['effective_on']}"
    return ""


async def rows(asked: approvals.Approval, brand: Brand, words: texts.Texts, keys: crypto.Keys) -> list[tuple[str, str, str]]:
    """Key, label and value of everything that is asked for."""
    said: dict[str, Any] = dict(asked.payload)
    if asked.action == "role.grant":
        said["login"] = (await role_request.read(keys=keys, brand_id=brand.id, approval_id=asked.id)).login
    labels, hidden = {**LABELS_OF.get(asked.action, {}), **LABELS}, HIDDEN | HIDDEN_OF.get(asked.action, set())
    labels |= LABELS_OF.get(asked.action, {})
    order = [*(name for name in labels if name in said), *(name for name in said if name not in labels)]
    return [
        (name, words.gettext(labels[name]) if name in labels else name, _value(brand, name, said[name]))
        for name in order
        if said[name] is not None and name not in hidden
    ]


def _value(brand: Brand, name: str, value: object) -> str:
    if name.endswith("_minor") and isinstance(value, int):
        return facts.figure(brand, value)
    if name == "redeemed_at" and isinstance(value, str):
        return f"{dt.datetime.fromisoformat(value).astimezone(zoneinfo.ZoneInfo(brand.time_zone)):%Y-%m-%d %H:%M}"
    if name.endswith("_ppm") and isinstance(value, int):
        return plan_rates.of_ppm(value)
    return ", ".join(map(str, value)) or "—" if isinstance(value, list) else str(value)
