"""Doors of resellers: what they sold, what it earned, when it is paid and why."""

from __future__ import annotations

from qucheng.web.portal import agreements, compliance, home, orders, products, profile, statements, team

ROUTES = (
    home.show,
    orders.show,
    orders.below,
    orders.one,
    products.show,
    products.picture,
    statements.show,
    statements.one,
    statements.file,
    statements.confirm,
    statements.row,
    statements.open_dispute,
    team.show,
    team.invite,
    team.withdraw,
    team.revoke,
    profile.show,
    agreements.show,
    agreements.accept,
    compliance.show,
)
