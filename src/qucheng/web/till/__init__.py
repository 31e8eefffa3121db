"""Doors of shop clerks: a card is scanned, looked at, redeemed, and taken back."""

from __future__ import annotations

from qucheng.web.till import redeem, today

ROUTES = (
    redeem.scan,
    redeem.look,
    redeem.confirm,
    today.show,
    today.undo,
    today.ask,
)
