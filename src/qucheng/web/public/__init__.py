"""Doors of everybody who holds a paper: whether it is ours."""

from __future__ import annotations

from typing import Any

ROUTES: tuple[Any, ...] = ()
