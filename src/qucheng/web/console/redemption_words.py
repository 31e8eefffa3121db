"""What a terminal was answered, when and where a card may be used, and how it was presented: in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from qucheng.redemption import redemption, redemption_listing, rules
    from qucheng.web import texts

RESULTS: dict[redemption_listing.Result, str] = {
    "ok": n_("Redeemed"),
    "used": n_("Used before"),
    "frozen": n_("Frozen"),
    "expired": n_("Expired"),
    "not_yet": n_("Not at this time"),
    "not_here": n_("Not at this place"),
    "void": n_("Void"),
    "unknown": n_("No such card"),
    "undone": n_("Undone"),
}
WAYS: dict[redemption.Way, str] = {
    "code": n_("Code of the card"),
    "dynamic": n_("Moving QR code"),
    "digits": n_("Digits and end of the phone"),
}
DAYS = (n_("Monday"), n_("Tuesday"), n_("Wednesday"), n_("Thursday"), n_("Friday"), n_("Saturday"), n_("Sunday"))


def results(words: texts.Texts) -> dict[redemption_listing.Result, str]:
    return {result: words.gettext(word) for result, word in RESULTS.items()}


def days(words: texts.Texts) -> list[tuple[int, str]]:
    """Number and name, from Monday on."""
    return [(number, words.gettext(word)) for number, word in enumerate(DAYS, start=1)]


def said(rule: rules.Rule, words: texts.Texts, names: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """Label and words of each limit that there is. names: of stores, channels and terminals, by code."""
    found: list[tuple[str, str]] = []
    if rule.starts_on is not None:
        found.append((words.gettext(n_("From this day on")), rule.starts_on.isoformat()))
    if rule.days:
        known = dict(days(words))
        found.append((words.gettext(n_("Days of the week")), _listed(words, (known[day] for day in sorted(set(rule.days))))))
    if rule.windows:
        spans = (f"{each.begins:%H:%M}–{each.ends:%H:%M}" for each in rule.windows)
        found.append((words.gettext(n_("Time of the day")), _listed(words, spans)))
    for label, codes, known_names in (
        (n_("Stores"), rule.stores, names.get("stores", {})),
        (n_("Areas"), rule.areas, {}),
        (n_("Sold in channels"), rule.channels, names.get("channels", {})),
        (n_("Terminals"), rule.terminals, names.get("terminals", {})),
    ):
        if codes:
            found.append((words.gettext(label), _listed(words, _named(codes, known_names))))
    return found


def _named(codes: Collection[str], names: Mapping[str, str]) -> list[str]:
    return [names.get(code, code) for code in codes]


def _listed(words: texts.Texts, parts: Iterable[str]) -> str:
    return ("、" if words.chinese else ", ").join(parts)
