"""What is looked for, and from when on it stands out. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, get_args

import msgspec

Rule = Literal[
    "refund.share", "burst.buyer", "burst.reseller", "own.rising", "buyer.many_resellers", "price.deviations", "sales.outlier", "network.heads"
]  # fmt: skip
# in the order in which they are shown
RULES: tuple[Rule, ...] = get_args(Rule)
State = Literal["open", "confirmed", "dismissed"]
STATES: tuple[State, ...] = get_args(State)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From these figures on something stands out; without a version of the brand's own, as they are here.

    refund_share_ppm: of what a reseller sold in 30 days, from refunds_least refunds on. own_share_ppm: of it to itself, from
    own_lines_least lines on, and twice the share of the 30 days before. buyer_resellers: of which one buyer bought in 30 days.
    deviating_lines: at another price than agreed, in 30 days. outlier_hundredths: how far a day lies above the reseller's own
    median, as a robust z-score, from outlier_days_least days with sales on. heads: under a root.
    """

    refund_share_ppm: int = 300_000
    refunds_least: int = 5
    buyer_orders_an_hour: int = 8
    reseller_orders_an_hour: int = 60
    own_share_ppm: int = 150_000
    own_lines_least: int = 5
    buyer_resellers: int = 4
    deviating_lines: int = 5
    outlier_hundredths: int = 2_000
    outlier_days_least: int = 14
    heads: int = 24


# what the database holds too
BOUNDS: dict[str, tuple[int, int]] = {
    "refund_share_ppm": (1, 1_000_000),
    "refunds_least": (1, 100_000),
    "buyer_orders_an_hour": (2, 100_000),
    "reseller_orders_an_hour": (2, 100_000),
    "own_share_ppm": (1, 1_000_000),
    "own_lines_least": (1, 100_000),
    "buyer_resellers": (2, 1_000),
    "deviating_lines": (1, 100_000),
    "outlier_hundredths": (100, 10_000),
    "outlier_days_least": (5, 60),
    "heads": (2, 30),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """subject: the reseller, or of a buyer a fingerprint. evidence: figures and order numbers, as they were found."""

    rule: Rule
    subject: str
    reseller: str | None
    starts_at: dt.datetime
    ends_at: dt.datetime
    evidence: dict[str, Any]


def beyond(limits: Limits) -> list[str]:
    """The names of those that no brand may choose."""
    return [name for name, (least, most) in BOUNDS.items() if not least <= getattr(limits, name) <= most]
