"""What may be said of a SKU, shares of a package's price, and images as their bytes say."""

from __future__ import annotations

import datetime as dt
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rooms.catalog import goods

from qucheng.catalog import pictures, rules

FACTS = rules.Facts(name="月卡", category="video", list_price_minor=10000)
TWO = (goods.part("a", 1, 600_000), goods.part("b", 2, 400_000))


def test_what_is_right_has_no_fault() -> None:
    assert rules.faults(FACTS) == []
    assert (
        rules.faults(
            msgspec.structs.replace(
                FACTS,
                kind="package",
                parts=TWO,
                valid_until=dt.date(2199, 12, 31),
                rules_zh="第一行\n第二行",
                tags=("热卖", "new"),
                hold_from="redeemed",
                face_value_minor=0,
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"name": ""}, [("name", "name.invalid")]),
        ({"name": "a\tb"}, [("name", "name.invalid")]),
        ({"name": "a "}, [("name", "name.invalid")]),
        ({"name": "x" * 81, "category": "x" * 81}, [("name", "name.invalid"), ("category", "category.invalid")]),
        ({"list_price_minor": -1}, [("list_price", "amount.invalid")]),
        ({"list_price_minor": 10**13}, [("list_price", "amount.invalid")]),
        ({"kind": "voucher"}, [("kind", "kind.unknown")]),
        ({"face_value_minor": -1}, [("face_value", "amount.invalid")]),
        ({"valid_days": 0}, [("valid_days", "days.invalid")]),
        ({"valid_days": 36501}, [("valid_days", "days.invalid")]),
        ({"valid_until": dt.date(2200, 1, 1)}, [("valid_until", "day.invalid")]),
        ({"valid_days": 1, "valid_until": dt.date(2027, 1, 1)}, [("valid_until", "validity.both")]),
        ({"rules_zh": ""}, [("rules_zh", "rules.invalid")]),
        ({"rules_zh": "x" * 2001}, [("rules_zh", "rules.invalid")]),
        ({"rules_en": "a\x00"}, [("rules_en", "rules.invalid")]),
        ({"hold_from": "never"}, [("hold_from", "hold_from.unknown")]),
        ({"tags": ("a;b",)}, [("tags", "tags.invalid")]),
        ({"tags": tuple(f"t{n}" for n in range(21))}, [("tags", "tags.invalid")]),
        ({"parts": TWO}, [("kind", "parts.not_package")]),
        ({"kind": "package"}, [("parts", "parts.several")]),
        ({"kind": "package", "parts": (goods.part("a", 1, 1_000_000),)}, [("parts", "parts.several")]),
        ({"kind": "package", "parts": (goods.part("a", 2, 999_999),)}, [("parts", "parts.whole")]),
        (
            {"kind": "package", "parts": (goods.part("a", 0, 500_000), goods.part("a", 2, 500_000))},
            [("parts", "part.quantity"), ("parts", "part.twice")],
        ),
        (
            {"kind": "package", "parts": (goods.part("a", 1, -1), goods.part("b", 1, 1_000_001))},
            [("parts", "part.share"), ("parts", "part.share")],
        ),
    ],
)
def test_every_fault_is_found(changes: dict[str, object], faults: list[tuple[str, str]]) -> None:
    found = rules.faults(msgspec.structs.replace(FACTS, **changes))
    assert [(fault.field, fault.code) for fault in found] == faults


@pytest.mark.parametrize(
    ("code", "good"),
    [("A-1._b", True), ("x" * 40, True), ("x" * 41, False), ("", False), ("a b", False), ("new", False), ("é", False)],
)
def test_a_code_is_of_few_letters_and_not_the_name_of_a_page(code: str, good: bool) -> None:  # noqa: FBT001 - a parameter
    assert rules.is_code(code) is good


def test_tags_are_read_from_a_line() -> None:
    assert rules.read_tags(" 热卖; new,,new，春节；") == ("new", "春节", "热卖")


@pytest.mark.parametrize(
    ("price", "shares", "amounts"),
    [
        (100, (500_000, 500_000), [50, 50]),
        (101, (500_000, 500_000), [51, 50]),
        (100, (333_333, 333_333, 333_334), [33, 33, 34]),
        (1, (400_000, 600_000), [0, 1]),
        (0, (1_000_000,), [0]),
        (3, (0, 1_000_000), [0, 3]),
        (9_999_999_999_999, (1, 999_999), [10_000_000, 9_999_989_999_999]),
    ],
)
def test_shares_of_a_price(price: int, shares: tuple[int, ...], amounts: list[int]) -> None:
    assert rules.shares(price, [goods.part(str(place), 1, share) for place, share in enumerate(shares)]) == amounts


@given(st.integers(0, 10**13), st.lists(st.integers(0, 1_000_000), min_size=1, max_size=8))
def test_shares_are_the_price_and_none_is_a_unit_off(price: int, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 1_000_000]
    parts = [goods.part(str(place), 1, b - a) for place, (a, b) in enumerate(itertools.pairwise(edges))]
    amounts = rules.shares(price, parts)
    assert sum(amounts) == price
    for part, amount in zip(parts, amounts, strict=True):
        assert -1_000_000 < amount * 1_000_000 - price * part.share_ppm < 1_000_000
        assert amount == 0 or part.share_ppm > 0


@pytest.mark.parametrize(("price", "share"), [(-1, 1_000_000), (1, 999_999)])
def test_what_is_no_price_or_not_the_whole_has_no_shares(price: int, share: int) -> None:
    with pytest.raises(ValueError, match="the whole"):
        rules.shares(price, [goods.part("a", 2, share)])


LOSSY = (
    b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8 " + (10).to_bytes(4, "little") + bytes(3) + b"\x9d\x01\x2a\x09\x00\x08\x00"
)
LOSSLESS = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8L" + (10).to_bytes(4, "little") + b"\x2f\x09\x40\x02" + bytes(6)


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (goods.png(2, 3), pictures.Shape("image/png", 2, 3)),
        (goods.jpeg(5, 4), pictures.Shape("image/jpeg", 5, 4)),
        (goods.webp(7, 6), pictures.Shape("image/webp", 7, 6)),
        (LOSSY, pictures.Shape("image/webp", 9, 8)),
        (LOSSLESS, pictures.Shape("image/webp", 10, 10)),
        (goods.png(100_000, 100_000), pictures.Shape("image/png", 100_000, 100_000)),
        (goods.png()[:-1], None),
        (goods.jpeg()[:-2], None),
        (goods.webp()[:-2], None),
        (goods.webp() + b"<script>", None),
        (goods.png() + b"<script>", None),
        (goods.png(0, 3), None),
        (b"GIF89a" + bytes(40), None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(30) + b"\xff\xd9", None),
        (b"", None),
    ],
)
def test_an_image_says_what_it_is(content: bytes, shape: pictures.Shape | None) -> None:
    assert pictures.shape(content) == shape


@given(st.sampled_from([goods.png(), goods.jpeg(), goods.webp()]), st.data())
def test_no_bytes_break_the_reading(content: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(content)))
    pictures.shape(content[:cut] + data.draw(st.binary(max_size=40)))
