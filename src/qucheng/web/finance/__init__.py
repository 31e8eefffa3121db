"""Doors of those who keep the books: deliveries, runs, statements, adjustments, exceptions, approvals, journal, audit."""

from __future__ import annotations

from typing import Any

ROUTES: tuple[Any, ...] = ()
