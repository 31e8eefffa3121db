import pytest
from hypothesis import given
from hypothesis import strategies as st

from qucheng.core import money

CAPITALS = [
    (140950, "壹仟肆佰零玖元伍角"),
    (600714, "陆仟零柒元壹角肆分"),
    (168032, "壹仟陆佰捌拾元零叁角贰分"),
    (10700053, "壹拾万柒仟元零伍角叁分"),
    (1640902, "壹万陆仟肆佰零玖元零贰分"),
    (32504, "叁佰贰拾伍元零肆分"),
    (0, "零元整"),
    (1, "壹分"),
    (10, "壹角"),
    (56, "伍角陆分"),
    (1000, "壹拾元整"),
    (1005, "壹拾元零伍分"),
    (1050, "壹拾元零伍角"),
    (10500, "壹佰零伍元整"),
    (1001010, "壹万零壹拾元零壹角"),
    (100100, "壹仟零壹元整"),
    (101010, "壹仟零壹拾元零壹角"),
    (1000100, "壹万零壹元整"),
    (10070000, "壹拾万零柒佰元整"),
    (100000100, "壹佰万零壹元整"),
    (2003004056, "贰仟零叁万零肆拾元零伍角陆分"),
    (10000000101, "壹亿零壹元零壹分"),
    (10000100000, "壹亿零壹仟元整"),
    (10500000000, "壹亿零伍佰万元整"),
    (123456789012, "壹拾贰亿叁仟肆佰伍拾陆万柒仟捌佰玖拾元零壹角贰分"),
    (-50000, "（负数）伍佰元整"),
    (100_0000_0000_0000, "壹万亿元整"),
    (100_0100_0000_0000, "壹万零壹亿元整"),
]


@pytest.mark.parametrize(("minor", "text"), CAPITALS)
def test_capitals_follow_the_payment_rules(minor: int, text: str) -> None:
    assert money.rmb_capitals(minor, prefix=False) == text


def test_the_prefix_stands_directly_before_the_numerals() -> None:
    assert money.rmb_capitals(804689) == "人民币捌仟零肆拾陆元捌角玖分"
    assert money.rmb_capitals(-50000) == "（负数）人民币伍佰元整"


def test_capitals_end_where_the_units_end() -> None:
    assert money.rmb_capitals(10**18 - 1).endswith("玖角玖分")
    with pytest.raises(ValueError, match="so large"):
        money.rmb_capitals(10**18)


@given(st.integers(0, 10**18 - 1))
def test_capitals_read_back_as_the_amount(minor: int) -> None:
    assert _read(money.rmb_capitals(minor, prefix=False)) == minor


@given(st.integers(0, 10**18 - 1))
def test_capitals_never_repeat_a_zero_nor_leave_one_behind(minor: int) -> None:
    text = money.rmb_capitals(minor, prefix=False)
    assert "零零" not in text
    assert text.endswith(("整", "角", "分"))
    assert minor == 0 or not text.startswith("零")


def _read(text: str) -> int:
    """Capitals as people read them: a unit of ten to a thousand counts its digit, 万 and 亿 all that stands before."""
    sections, section, digit, minor = [0], 0, 0, 0
    for char in text:
        if char in "零壹贰叁肆伍陆柒捌玖":
            digit = "零壹贰叁肆伍陆柒捌玖".index(char)
        elif char in "拾佰仟":
            section, digit = section + digit * {"拾": 10, "佰": 100, "仟": 1000}[char], 0
        elif char == "万":
            sections.append((section + digit) * 10**4)
            section = digit = 0
        elif char == "亿":
            sections = [(sum(sections) + section + digit) * 10**8]
            section = digit = 0
        elif char == "元":
            minor, sections, section, digit = (sum(sections) + section + digit) * 100, [0], 0, 0
        elif char in "角分":
            minor, digit = minor + digit * {"角": 10, "分": 1}[char], 0
    return minor


@pytest.mark.parametrize(
    ("minor", "decimals", "plain", "shown"),
    [
        (1230, 2, "12.30", "12.30"),
        (0, 2, "0.00", "0.00"),
        (5, 2, "0.05", "0.05"),
        (-5, 2, "-0.05", "\u22120.05"),
        (-123456789, 2, "-1234567.89", "\u22121,234,567.89"),
        (1500, 0, "1500", "1,500"),
        (-7, 0, "-7", "\u22127"),
    ],
)
def test_amounts_as_files_and_as_people_write_them(minor: int, decimals: int, plain: str, shown: str) -> None:
    assert money.format_plain(minor, decimals) == plain
    assert money.format_display(minor, decimals) == shown


def test_a_plus_only_before_what_is_more_than_nothing() -> None:
    assert money.format_display(30000, 2, plus=True) == "+300.00"
    assert money.format_display(0, 2, plus=True) == "0.00"
    assert money.format_display(-2500, 2, plus=True) == "\u221225.00"


@pytest.mark.parametrize(
    ("text", "decimals", "minor"),
    [("12.3", 2, 1230), ("12", 2, 1200), ("0.00", 2, 0), ("007", 0, 7), ("9999999999.99", 2, 10**12 - 1)],
)
def test_plain_amounts_are_read(text: str, decimals: int, minor: int) -> None:
    assert money.parse_plain(text, decimals) == minor


def test_a_minus_is_read_only_where_amounts_are_signed() -> None:
    assert money.parse_plain("-12.30", 2, signed=True) == -1230
    with pytest.raises(ValueError, match="plain"):
        money.parse_plain("-12.30", 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ".5",
        "5.",
        "1.234",
        "+1",
        "1e3",
        "1,000",
        " 1",
        "1 ",
        "1\n",
        "--1",
        "\u22121",
        "１",
        "٣",
        "NaN",
        "10000000000",
        "9" * 5000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        money.parse_plain(text, 2, signed=True)


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_what_is_written_plainly_reads_back(minor: int) -> None:
    assert money.parse_plain(money.format_plain(minor, 2), 2, signed=True) == minor
