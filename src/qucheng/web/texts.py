"""The words of the pages: English in templates and code, Chinese from `locale/zh_CN/LC_MESSAGES/web*.po`, one file for each area."""

from __future__ import annotations

import datetime as dt
import functools
import gettext
import io
import zoneinfo
from pathlib import Path
from typing import Literal

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog

LOCALES = Path(__file__).resolve().parents[1].joinpath("locale")
DOMAIN = "web"
Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")
BEIJING = zoneinfo.ZoneInfo("Asia/Shanghai")


def n_(message: str) -> str:
    """Marks a sentence that is translated where it is shown."""
    return message


class Texts:
    """One language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.chinese = language == "zh-CN"
        catalogue = _catalogue("zh_CN") if self.chinese else gettext.NullTranslations()
        self.gettext = catalogue.gettext
        self.ngettext = catalogue.ngettext

    def other(self) -> Language:
        return "en" if self.chinese else "zh-CN"

    def moment(self, instant: dt.datetime, zone: dt.tzinfo = BEIJING) -> str:
        """`2026-11-06 10:42`, in the zone."""
        return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")

    def unit(self, currency: str) -> str:
        """Of amounts, in the head of a column: 元, or the currency's code."""
        return "元" if currency == "CNY" and self.chinese else currency

    def day(self, date: dt.date) -> str:
        if self.chinese:
            return f"{date.year} 年 {date.month} 月 {date.day} 日"
        return f"{date.day} {date:%b} {date.year}"


@functools.cache
def texts(language: Language) -> Texts:
    return Texts(language)


def known(name: str | None) -> Language | None:
    return next((language for language in LANGUAGES if language == name), None)


def accepted(header: str) -> Language:
    """The first of ours that Accept-Language names, by its weights; Chinese where it names none."""
    best: tuple[float, Language] = (0.0, "zh-CN")
    for part in header.lower().split(",")[:20]:
        name, _, weight = part.partition(";")
        language: Language | None = "zh-CN" if name.strip().startswith("zh") else "en" if name.strip().startswith("en") else None
        if language is not None and _weight(weight) > best[0]:
            best = (_weight(weight), language)
    return best[1]


def _weight(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=")) if text.strip() else 1.0
    except ValueError:
        return 0.0


def catalogues(name: str) -> list[Path]:
    """The files that hold a language."""
    return sorted(LOCALES.joinpath(name, "LC_MESSAGES").glob(f"{DOMAIN}*.po"))


def _catalogue(name: str) -> gettext.NullTranslations:
    catalogue = Catalog(locale=name, domain=DOMAIN)
    for file in catalogues(name):
        with file.open("rb") as source:
            for message in pofile.read_po(source, locale=name, domain=DOMAIN):
                if message.id:
                    catalogue[message.id] = message
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
