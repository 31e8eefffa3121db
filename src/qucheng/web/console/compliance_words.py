"""What compliance is called on its pages: policies, rules that refused something, and what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.network.attempt import Attempt
    from qucheng.web import texts

POLICIES = {
    "cn-strict": n_("Only the seller earns"),
    "cn-two-tier": n_("The seller and one above it earn"),
    "intl": n_("The seller and at most two above it earn"),
}
# on what each rests: network/policies.toml names it for lawyers, in the language of the law
SOURCES = {
    "cn-strict": n_(
        "Rules against pyramid selling (State Council decree 444), art. 7; opinion of the Supreme Court, Procuratorate and Ministry of Public Security of 2013 (30 persons and 3 levels)."
    ),
    "cn-two-tier": n_(
        "Rules against pyramid selling, art. 7; only with a lawyer's opinion for the one brand, for a limited time."
    ),
    "intl": n_("Outside mainland China. 30 heads together with a chain of three persons are refused all the same."),
}
RULES = {
    "network.depth_exceeded": n_("It would stand deeper than the policy lets."),
    "network.cycle": n_("It would stand above itself."),
    "network.heads_exceeded": n_("30 heads and a chain of 3 persons would come together under one root."),
    "network.parent_joined_later": n_("The one above it has not joined on that day."),
    "placement.before_joined": n_("It has not joined on that day."),
    "placement.parent_closed": n_("The account of the one above is closed, or will be: nobody is put below it."),
    "ref.unknown": n_("There is no such reseller."),
    "text.promise": n_("The text promises income."),
    "policy.opinion_dates": n_("The opinion would hold too long, or be over before it begins."),
    "plan.pays_for_joining": n_("The plan pays for joining, inviting or registering."),
    "plan.entry_fee": n_("The plan asks for a fee, a deposit or a purchase."),
    "plan.reads_downlines": n_("The plan reads the number or the volume of others."),
    "plan.differential": n_("The plan pays a difference between tiers, or a bonus for equal ones."),
    "plan.level_exceeded": n_("The plan pays a level that the policy does not let."),
    "plan.rate_exceeded": n_("The plan pays more than the policy lets."),
    "plan.below_cost": n_("The plan leaves less than the cost."),
    "plan.opinion_expired": n_("The plan pays a second level on days that no opinion covers."),
}
KINDS = {"announcement": n_("Announcement"), "help": n_("Help")}
TRIED = {
    "network.join": n_("A joining"),
    "network.move": n_("A move"),
    "plan.submit": n_("A commission plan"),
    "prices.submit": n_("A version of the price book"),
    "sku.category": n_("The category of products"),
    "tier.name": n_("The name of a tier"),
    "channel.name": n_("The name of a channel"),
    "offer.name": n_("The name of an offer"),
    "reseller.reason": n_("A reason told to a reseller"),
    "dispute.answer": n_("The answer to a dispute"),
    "text.publish": n_("A text to resellers"),
    "sku.text": n_("Words about a product"),
    "agreement.publish": n_("An agreement"),
}


def tried(attempt: Attempt, words: texts.Texts) -> str:
    return words.gettext(TRIED[attempt.what]) if attempt.what in TRIED else attempt.what


def subject(attempt: Attempt, words: texts.Texts) -> str:
    """Of a text its kind, of everything else its code or number."""
    return words.gettext(KINDS[attempt.subject]) if attempt.subject in KINDS else attempt.subject


def why(attempt: Attempt, words: texts.Texts) -> list[str]:
    """A sentence for each rule; what has none is shown by its code."""
    return [words.gettext(RULES[code]) if code in RULES else code for code in attempt.codes]
