"""Amounts as people type them: signs, separators and full-width digits are read, what is doubtful is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qucheng.core import money

READ = {
    "25": 2500,
    "-25": -2500,
    "−25.00": -2500,
    "－２５．５": -2550,
    "+1,200.5": 120050,
    "１，２００，３００": 120030000,
    " ¥3 ": 300,
    "−￥ 3.1 元": -310,
    "- 7": -700,
    "0": 0,
    "-0.00": 0,
    "9999999999.99": 999999999999,
}
REFUSED = (
    "", " ", "-", "+", ".5", "5.", "1,2", "12,00", "1,2345", ",100", "1 200", "1.234", "1e3", "--1", "+-1", "²5", "½", "٣", "1.2.3", "1,200,", "¥-3",
    "$3", "10000000000", "3元元", "1\n2", "NaN", "0x10", "3.0 .0",
)  # fmt: skip


@pytest.mark.parametrize(("typed", "minor"), READ.items())
def test_it_is_read(typed: str, minor: int) -> None:
    assert money.parse_typed(typed, 2) == minor


@pytest.mark.parametrize("typed", REFUSED)
def test_it_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        money.parse_typed(typed, 2)


def test_a_currency_without_decimals_has_none() -> None:
    assert money.parse_typed("1,200", 0) == 1200
    with pytest.raises(ValueError, match="amount"):
        money.parse_typed("1.0", 0)


@given(minor=st.integers(-(10**12) + 1, 10**12 - 1), decimals=st.integers(0, 2))
def test_what_is_shown_is_read_back(minor: int, decimals: int) -> None:
    limited = minor % 10 ** (10 + decimals) * (1 if minor >= 0 else -1)
    for text in (money.format_plain(limited, decimals), money.format_display(limited, decimals, plus=True)):
        assert money.parse_typed(text, decimals) == limited
