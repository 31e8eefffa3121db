"""Doors of resellers: what they sold, what it earned, when it is paid and why."""

from __future__ import annotations

from typing import Any

ROUTES: tuple[Any, ...] = ()
