"""Doors of consumers: an offer is claimed, they sign in, and what they have is in their wallet."""

from __future__ import annotations

from qucheng.web.consumer import claim, enter, wallet

ROUTES = (
    claim.show,
    claim.act,
    enter.show,
    enter.act,
    wallet.listing,
    wallet.card,
    wallet.code,
    wallet.reveal,
    wallet.sign_out,
)
