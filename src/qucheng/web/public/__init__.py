"""Doors of everybody who holds a paper: whether it is ours."""

from __future__ import annotations

from qucheng.web.public import check

ROUTES = (
    check.by_hand,
    check.by_code,
)
