"""All that is wrong with what a machine sends, by the place where it stands."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from qucheng.web.open_api import reading


class Part(msgspec.Struct, rename="camel"):
    sku_code: Annotated[str, Meta(max_length=3)]
    count: Annotated[int, Meta(ge=1)] = 1


class Whole(msgspec.Struct, rename="camel"):
    kind: Literal["new", "used"]
    day: dt.date
    parts: list[Part]
    first: Part | None = None
    other: Literal["a", "b"] | None = None
    few: Annotated[list[Part], Meta(min_length=1, max_length=2)] = []
    none: Annotated[list[Annotated[str, Meta(min_length=3)]], Meta(max_length=2)] | None = None


GOOD = {"kind": "new", "day": "2026-03-01", "parts": [{"skuCode": "VIP"}]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (GOOD, []),
        ({**GOOD, "first": None, "other": None}, []),
        ([], [("", "type")]),
        ({}, [("/kind", "missing"), ("/day", "missing"), ("/parts", "missing")]),
        ({**GOOD, "parts": [{"skuCode": "VIP"}, {"skuCode": "VIP-Y", "count": 0}]}, [("/parts/1/skuCode", "invalid"), ("/parts/1/count", "invalid")]),
        ({**GOOD, "parts": ["x", {"sku_code": "VIP"}]}, [("/parts/0", "type"), ("/parts/1/skuCode", "missing"), ("/parts/1/sku_code", "unknown")]),
        ({**GOOD, "parts": {}}, [("/parts", "invalid")]),
        ({**GOOD, "first": {"count": "1"}}, [("/first/skuCode", "missing"), ("/first/count", "invalid")]),
        ({**GOOD, "kind": "old", "other": "c", "day": "2026-02-30"}, [("/kind", "invalid"), ("/day", "invalid"), ("/other", "invalid")]),
        ({**GOOD, "": 1, "~": 2, "/": 3}, [("/", "unknown"), ("/~0", "unknown"), ("/~1", "unknown")]),
        ({**GOOD, "few": [{"skuCode": "VIP", "x": 1}, {"count": "1"}]}, [("/few/0/x", "unknown"), ("/few/1/skuCode", "missing"), ("/few/1/count", "invalid")]),
        ({**GOOD, "few": [], "none": ["abc", "a", "\0", 1]}, [("/few", "invalid"), ("/none", "invalid"), ("/none/1", "invalid"), ("/none/2", "characters"), ("/none/3", "invalid")]),
        ({**GOOD, "few": {}, "none": None}, [("/few", "invalid")]),
        ({**GOOD, "kind": "n\0", "first": {"skuCode": "\ud800"}}, [("/kind", "characters"), ("/first/skuCode", "characters")]),
    ],
)  # fmt: skip
def test_every_field_that_is_wrong_is_named(given: Any, found: list[tuple[str, str]]) -> None:
    assert [(each.pointer, each.code) for each in reading.faults(given, Whole, "")] == found


def test_no_value_is_repeated() -> None:
    secret = "hunter2-hunter2"  # noqa: S105 - of nobody
    given = {"kind": secret, "day": secret, "parts": [{"skuCode": secret, "count": secret}], "other": secret, "first": secret}
    found = list(reading.faults(given, Whole, ""))
    assert len(found) == 6
    assert [each.detail for each in found if secret in each.detail] == []
    assert {each.pointer: each.detail for each in found}["/kind"] == "One of new, used."
    assert {each.pointer: each.detail for each in found}["/other"] == "One of a, b."


def test_a_refusal_names_a_hundred_at_most() -> None:
    found = list(reading.faults({str(number): 1 for number in range(500)}, Whole, ""))
    assert len(found) == 503
    assert len(reading.BodyInvalidError(found).faults) == 100
