"""Doors of pools, of requests for cards, and of orders that wait for some."""

from __future__ import annotations

from qucheng.web.console import pool_moves, pools, stock_cases, stops

ROUTES = (
    pools.show,
    pools.open_pool,
    pools.one,
    pools.rule_form,
    pools.set_rule,
    pool_moves.move_form,
    pool_moves.move,
    pool_moves.asked_for,
    pool_moves.decide,
    stock_cases.show,
    stock_cases.one,
    stock_cases.retry,
    stock_cases.substitute,
    stock_cases.settle,
    stops.batch_form,
    stops.stop_batch,
    stops.order_form,
    stops.stop_order,
)
