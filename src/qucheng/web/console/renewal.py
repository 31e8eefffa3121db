"""What the forms for a new secret have in common, of keys and of endpoints: how long the one before it stays good."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from qucheng.identity import overlap
from qucheng.web import pages
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.web import texts

HOURS = re.compile("[0-9]{1,4}")
SENTENCE = n_("Choose how long the secret so far stays good.")


def asked(sent: dict[str, str]) -> dt.timedelta:
    """Raises overlap.OverlapUnfitError where it is none of the choices."""
    hours = sent.get("overlap", "")
    found = dt.timedelta(hours=int(hours)) if HOURS.fullmatch(hours) else dt.timedelta(days=-1)
    overlap.require(found)
    return found


def fault(words: texts.Texts) -> pages.Fault:
    return pages.Fault(field="overlap", message=words.gettext(SENTENCE))
