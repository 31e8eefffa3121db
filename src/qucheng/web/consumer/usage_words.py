"""When a card may be used, in sentences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from qucheng.web.texts import n_

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from qucheng.redemption import rules
    from qucheng.web.texts import Texts

DAYS = (
    n_("Monday"),
    n_("Tuesday"),
    n_("Wednesday"),
    n_("Thursday"),
    n_("Friday"),
    n_("Saturday"),
    n_("Sunday"),
)
WEEK = 7
SPAN = 2


def when(rule: rules.Rule | None, words: Texts, today: dt.date) -> list[str]:
    """What limits the time; nothing where it may be used at any."""
    said = []
    if rule is not None and rule.starts_on is not None and rule.starts_on > today:
        said.append(words.gettext(n_("Can be used from %(day)s on.")) % {"day": words.day(rule.starts_on)})
    if rule is not None and rule.days and len(set(rule.days)) < WEEK:
        said.append(words.gettext(n_("On these days: %(days)s.")) % {"days": _days(rule.days, words)})
    if rule is not None and rule.windows:
        spans = words.gettext(n_(", ")).join(f"{each.begins:%H:%M}–{each.ends:%H:%M}" for each in rule.windows)
        said.append(words.gettext(n_("At these hours: %(hours)s.")) % {"hours": spans})
    return said


def _days(days: Collection[int], words: Texts) -> str:
    """Three or more in a row as a span."""
    shown = []
    for _, found in itertools.groupby(enumerate(sorted(set(days))), key=lambda each: each[1] - each[0]):
        row = [words.gettext(DAYS[day - 1]) for _, day in found]
        if len(row) > SPAN:
            shown.append(words.gettext(n_("%(first)s through %(last)s")) % {"first": row[0], "last": row[-1]})
        else:
            shown.extend(row)
    return words.gettext(n_(", ")).join(shown)
