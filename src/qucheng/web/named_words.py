"""What requests and risks are called: on pages, and in the letters of a worker, which has no use for the pages themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.risk import rules

ACTIONS = {
    "run.issue": n_("Issue a settlement run"),
    "adjustment.add": n_("Add an adjustment"),
    "role.grant": n_("Give a role"),
    "plan.publish": n_("Publish a commission plan"),
    "prices.publish": n_("Publish prices"),
    "policy.opinion": n_("Rely on a lawyer's opinion"),
    "policy.tighten": n_("Tighten the limits"),
    "redemption.reverse": n_("Take a redemption back"),
}
RULES: dict[rules.Rule, str] = {
    "refund.share": n_("Many refunds"),
    "burst.buyer": n_("Many orders of one buyer in an hour"),
    "burst.reseller": n_("Many orders of one reseller in an hour"),
    "own.rising": n_("Self-purchases rising"),
    "buyer.many_resellers": n_("One buyer at many resellers"),
    "price.deviations": n_("Sold at other prices than agreed"),
    "sales.outlier": n_("A day far above its own"),
    "network.heads": n_("Network near the limit"),
}
