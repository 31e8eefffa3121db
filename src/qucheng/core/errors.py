"""What the product says when it won't do something: a refusal has a stable code and a 4xx status."""

from __future__ import annotations

from typing import ClassVar


class RefusedError(Exception):
    """Base of all refusals. The text says what is wrong, where, and what to do."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
