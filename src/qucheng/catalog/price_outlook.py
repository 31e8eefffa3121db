"""The price in force and the next one, as one statement: for a quote, a reseller's list and a matrix alike."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = Path(__file__).with_name("price_outlook.sql").read_text(encoding="utf-8")
# the approved versions from an instant on
LIVE = "SELECT version, starts_at, ends_at FROM price_live WHERE brand_id = current_brand() AND ends_at > {at}"


def statement(*, asked: str, at: str, select: str, spans: str = LIVE) -> str:
    """asked: a query of place, sku, channel, tier. at: an expression of the instant. spans: a query of version, starts_at, ends_at.

    select: what is wanted of `outlook` (place, day, version, price_minor, starts_on, ends_on, closed, level, next_minor, next_on, next_at).
    """
    return TEMPLATE.replace("{asked}", asked).replace("{spans}", spans).replace("{at}", at) + select
