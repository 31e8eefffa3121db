"""Doors of those who run a brand or the platform: people and roles, keys, brands."""

from __future__ import annotations

from typing import Any

ROUTES: tuple[Any, ...] = ()
