"""The words of a statement: English in template and code, Chinese from `locale/zh_CN/LC_MESSAGES/statement.po`.

The catalogue is read as it is committed and compiled in memory, once in a process: no build step, no binary to keep in step.
"""

import datetime as dt
import functools
import gettext
import io
from pathlib import Path
from typing import Literal

from babel import dates, numbers
from babel.messages import mofile, pofile

from qucheng.core import money

LOCALES = Path(__file__).resolve().parents[1].joinpath("locale")
DOMAIN = "statement"
Language = Literal["zh-CN", "en"]

_NUMERALS = "一二三四五六七八九十"


class Texts:
    """One language: its sentences, and how it writes dates, units and section numbers."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.chinese = language == "zh-CN"
        self._locale = "zh_Hans_CN" if self.chinese else "en"
        catalogue = _catalogue("zh_CN") if self.chinese else gettext.NullTranslations()
        self.gettext = catalogue.gettext
        self.ngettext = catalogue.ngettext

    def day(self, date: dt.date) -> str:
        return dates.format_date(date, "y 年 M 月 d 日" if self.chinese else "d MMMM y", locale=self._locale)

    def month(self, date: dt.date) -> str:
        return dates.format_date(date, "y 年 M 月" if self.chinese else "MMMM y", locale=self._locale)

    def numeral(self, number: int) -> str:
        return _NUMERALS[number - 1] if self.chinese else str(number)

    def unit(self, currency: str) -> str:
        """What amounts are counted in, as a table head says it."""
        return "元" if self.chinese and currency == "CNY" else currency

    def symbol(self, currency: str) -> str:
        return "¥" if currency == "CNY" else numbers.get_currency_symbol(currency, locale=self._locale)

    def join(self, *sentences: str) -> str:
        """Whole sentences, one after the other; Chinese puts no space between them."""
        return ("" if self.chinese else " ").join(sentence for sentence in sentences if sentence)

    def number(self, sentence: str, number: int) -> str:
        """The sentence with its `%(n)s`."""
        return sentence % {"n": self.count(number)}

    def count(self, number: int) -> str:
        return money.format_display(number, 0)


@functools.cache
def texts(language: Language) -> Texts:
    return Texts(language)


def _catalogue(name: str) -> gettext.NullTranslations:
    with LOCALES.joinpath(name, "LC_MESSAGES", f"{DOMAIN}.po").open("rb") as source:
        catalogue = pofile.read_po(source, locale=name, domain=DOMAIN)
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
