"""Doors of everybody: whether a paper is ours, and asking to become a reseller."""

from __future__ import annotations

from qucheng.web.public import check, join

ROUTES = (
    check.by_hand,
    check.by_code,
    join.form,
    join.apply,
    join.link,
    join.look,
)
