"""Doors of everybody: whether a paper is ours, and asking to become a reseller."""

from __future__ import annotations

from qucheng.web.public import cards, check, join, order_page, payments, simulator

ROUTES = (
    cards.show,
    cards.reveal,
    cards.messages,
    check.by_hand,
    check.by_code,
    join.form,
    join.apply,
    join.link,
    join.look,
    order_page.form,
    order_page.order,
    order_page.state,
    order_page.check,
    payments.callback,
    simulator.show,
    simulator.act,
)
