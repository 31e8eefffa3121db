"""How long the secret before stays good beside a new one, so that a program can change over: of keys and of endpoints alike."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from qucheng.core import errors

CHOICES = (dt.timedelta(0), dt.timedelta(days=1), dt.timedelta(days=7))


class OverlapUnfitError(errors.RefusedError):
    code: ClassVar[str] = "secret.overlap"
    status: ClassVar[int] = 422


def require(overlap: dt.timedelta) -> None:
    """Raises OverlapUnfitError."""
    if overlap not in CHOICES:
        raise OverlapUnfitError("Choose how long the secret so far stays good.")
