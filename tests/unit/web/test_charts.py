"""Charts: round axes, exact geometry, and nothing in them that a page's policy forbids."""

from __future__ import annotations

import re

import pytest

from qucheng.web import charts


@pytest.mark.parametrize(
    ("largest", "unit", "step"),
    [(0, 1, 1), (-5, 1, 1), (4, 1, 1), (5, 1, 2), (61, 1, 20), (100, 1, 25), (6_00, 100, 2_00), (10_00, 100, 3_00), (1_051_23, 100, 300_00), (399, 1, 100), (401, 1, 150)],
)  # fmt: skip
def test_grid_lines_stand_at_round_numbers(largest: int, unit: int, step: int) -> None:
    assert charts.step_of(largest, unit) == step
    assert step * charts.LINES >= largest


def drawn(values: list[int]) -> str:
    bars = [charts.Bar(value, f"bar <{value}>", number < len(values) - 1) for number, value in enumerate(values)]
    return str(charts.bars(bars, unit=1, label='all "of" it', below=["a", "b"], show=lambda value: f"{value}元"))


def test_a_bar_is_as_high_as_its_value() -> None:
    found = drawn([40, 0, 10])
    assert re.findall(r'<rect class="(s1[^"]*)" x="([^"]*)" width="([^"]*)" y="([^"]*)" height="([^"]*)"', found) == [
        ("s1", "6.999999%", "19.333333%", "0", "176"),
        ("s1 part", "73.666665%", "19.333333%", "132", "44"),
    ]
    assert re.findall(r"<span>([^<]*)</span>", found) == ["40元", "30元", "20元", "10元", "0元", "a", "b"]
    assert found.count("bar-hit") == 3
    assert re.findall(r'<line class="([^"]*)" x1="0" x2="100%" y1="(\d+)"', found) == [
        ("grid-line", "0"), ("grid-line", "44"), ("grid-line", "88"), ("grid-line", "132"), ("axis-line", "176"),
    ]  # fmt: skip


def test_what_is_written_in_it_is_escaped_and_nothing_is_inline() -> None:
    found = drawn([1])
    assert "<title>bar &lt;1&gt;</title>" in found
    assert 'aria-label="all &#34;of&#34; it"' in found
    assert re.findall(r"style=|<style|<script|on\w+=", found) == []


def test_without_a_value_there_is_an_empty_axis() -> None:
    found = drawn([0, 0])
    assert 'class="s1' not in found
    assert re.findall(r"<span>([^<]*)</span>", found)[0] == "4元"
