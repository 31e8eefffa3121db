"""Amounts are integers of minor units (分). Reading and writing them, without a float anywhere; SQL divides them."""

import re

MINUS = "\u2212"
LIMIT_MAJOR = 10**10
"""An amount in a file is less than this, in major units."""

# what keyboards and spreadsheets make of a figure; other signs that mean a digit are none of an amount
_TYPED = str.maketrans({"−": "-", "－": "-", "＋": "+", "．": ".", "，": ",", **{chr(0xFF10 + n): str(n) for n in range(10)}})
_GROUPED = re.compile(
    r"([+-]?)[ \u00a0\u3000]*[¥￥]?[ \u00a0\u3000]*([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,40})(\.[0-9]{1,40})?(?:[ \u00a0\u3000]*元)?"
)
_PLAIN = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")
_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = ("仟", "佰", "拾", "")
_CAPITALS_BELOW = 10**18


def parse_plain(text: str, decimals: int, *, signed: bool = False) -> int:
    """`12.3` with 2 decimals is 1230. ValueError for anything that is not a plain amount: more decimals, a plus, an exponent,
    a separator, a bare point, 10¹⁰ or more, a minus unless `signed`.
    """
    match = _PLAIN.fullmatch(text)
    if match is None or (match[1] and not signed) or len(match[3] or "") > decimals:
        raise ValueError("not a plain amount")
    minor = int(match[2] + (match[3] or "").ljust(decimals, "0"))
    if minor >= LIMIT_MAJOR * 10**decimals:
        raise ValueError("an amount is less than 10^10")
    return -minor if match[1] else minor


def parse_typed(text: str, decimals: int) -> int:
    """What a person types: `-25`, `−25.00`, `1,200.5`, `１２．５`, `+¥3 `. ValueError as with parse_plain, and for commas that do not
    part thousands.
    """
    match = _GROUPED.fullmatch(text.strip().translate(_TYPED))
    if match is None:
        raise ValueError("not an amount")
    return parse_plain(match[1].strip("+") + match[2].replace(",", "") + (match[3] or ""), decimals, signed=True)


def format_plain(minor: int, decimals: int) -> str:
    """For files: `-1234.50`."""
    return ("-" if minor < 0 else "") + _point(str(abs(minor)), decimals, "")


def format_display(minor: int, decimals: int, *, plus: bool = False) -> str:
    """For people: `−1,234.50`, with a real minus; with `plus` a sign before positive amounts too."""
    sign = MINUS if minor < 0 else "+" if plus and minor > 0 else ""
    return sign + _point(str(abs(minor)), decimals, ",")


def rmb_capitals(minor: int, *, prefix: bool = True) -> str:
    """An amount of CNY in formal capitals (支付结算办法 附一): `人民币壹仟肆佰零玖元伍角`.

    Where the rules leave a choice: 零 between groups only if the lower one is below 1000 or a whole group is skipped; 零 before
    角 when the digit of 元 is 0; no 整 after 角; a negative amount is （负数）, and 人民币 stays directly before the numerals.
    """
    if abs(minor) >= _CAPITALS_BELOW:
        raise ValueError("no capitals for so large an amount")
    yuan, cents = divmod(abs(minor), 100)
    jiao, fen = divmod(cents, 10)
    text = f"{_whole(yuan)}元" if yuan else ""
    if not cents:
        text = f"{text or '零元'}整"
    if jiao:
        text += f"{'零' if yuan and yuan % 10 == 0 else ''}{_DIGITS[jiao]}角"
    elif fen and yuan:
        text += "零"
    if fen:
        text += f"{_DIGITS[fen]}分"
    return ("（负数）" if minor < 0 else "") + ("人民币" if prefix else "") + text


def _point(digits: str, decimals: int, separator: str) -> str:
    padded = digits.rjust(decimals + 1, "0")
    whole, fraction = padded[: len(padded) - decimals], padded[len(padded) - decimals :]
    return f"{int(whole):{separator}}" + (f".{fraction}" if fraction else "")


def _whole(yuan: int) -> str:
    for size, unit in ((10**8, "亿"), (10**4, "万")):
        if yuan >= size:
            high, low = divmod(yuan, size)
            gap = "零" if 0 < low * 10 < size else ""
            return _whole(high) + unit + gap + (_whole(low) if low else "")
    digits = f"{yuan:04d}"
    spoken = "".join(_DIGITS[int(d)] + unit if d != "0" else "零" for d, unit in zip(digits, _UNITS, strict=True))
    return re.sub("零+", "零", spoken).strip("零")
