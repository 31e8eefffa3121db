"""Column widths of a table, from the texts in it: the engine's own search for them takes a quarter of the time of a statement.

All lengths are whole micrometres. The estimate is on the safe side: numbers never wrap or touch, texts wrap where they must.
"""

from collections.abc import Sequence

PAGE = 182_000
PT = 353
TABLE = 8
"""The size of a table's type, in points."""
_PADDING = 3_400
_LEAST_TEXT = 18_000


def columns(cells: Sequence[Sequence[str]], texts: Sequence[int]) -> list[str]:
    """CSS widths of the columns; `cells` are the columns' texts with their heads, `texts` the indexes of those that may wrap.

    What is left over goes to all of them by their width; what lacks is taken from those that may wrap.
    """
    natural = [max(map(width, column)) * TABLE * PT // 1000 + _PADDING for column in cells]
    spare = PAGE - sum(natural)
    if spare >= 0:
        final = [own + spare * own // sum(natural) for own in natural]
    else:
        room = max(PAGE - sum(own for index, own in enumerate(natural) if index not in texts), _LEAST_TEXT * len(texts))
        above = {index: max(natural[index] - _LEAST_TEXT, 0) for index in texts}
        extra = room - _LEAST_TEXT * len(texts)
        final = [
            _LEAST_TEXT + extra * above[index] // max(sum(above.values()), 1) if index in above else own
            for index, own in enumerate(natural)
        ]
    return [f"{own // 1000}.{own % 1000:03d}mm" for own in final]


def width(text: str) -> int:
    """In thousandths of an em. Digits are 0.56 em wide, Chinese characters 1 em, points and commas half a digit; capitals at most 0.7 em."""
    return sum(map(_ems, text))


def _ems(char: str) -> int:
    if char in ".,/:;-' ":
        return 380 if char == "/" else 350 if char == "-" else 290
    if not char.isascii():
        return 1000
    return 700 if char.isupper() or char in "%+" else 1000 if char in "mMW@" else 580
