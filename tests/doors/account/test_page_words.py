"""Templates and their words: nothing inline, every sentence in Chinese too, whole and with Chinese punctuation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages import extract, pofile
from jinja2 import ext

from qucheng.core import errors
from qucheng.web import assets, pages, refusals, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from babel.messages.catalog import Message as Message_

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "templates"
PAGES = [path for path in sorted(TEMPLATES.rglob("*.html")) if path.parent.name != "statement"]
NEVER = re.compile(
    r"""\sstyle=|<style|<script(?![^>]*\ssrc=)|\son[a-z]+=|hx-on|hx-vals=['"]js:|hx-trigger="[^"]*\[|javascript:|\|\s*safe\b|autoescape\s+false"""
)
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:!?]|[,;:!?][\u4e00-\u9fff]")
NO_SPACE = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9%]|[A-Za-z0-9][\u4e00-\u9fff]")
PLACE = re.compile(r"%\((\w+)\)s")

Message = tuple[str, ...]


def messages() -> dict[Message, str]:
    """Every sentence that a page may show, and where it stands."""
    found: dict[Message, str] = {}
    for path in PAGES:
        with path.open("rb") as source:
            for _, _, message, _ in ext.babel_extract(source, ("_", "gettext", "ngettext"), [], {"silent": "false"}):
                found[_parts(message)] = path.name
    for path in sorted((ROOT / "src" / "qucheng" / "web").rglob("*.py")):
        with path.open("rb") as source:
            for _, _, written, _ in extract.extract_python(source, dict.fromkeys(("gettext", "n_", "ngettext")), [], {}):
                found[_parts(written)] = path.name
    return {parts: where for parts, where in found.items() if parts}


def _parts(message: str | Iterable[str | None] | None) -> Message:
    return (message,) if isinstance(message, str) else tuple(part for part in message or () if part)


def catalogue() -> list[Message_]:
    found = []
    for file in texts.catalogues("zh_CN"):
        with file.open("rb") as source:
            found += [message for message in pofile.read_po(source, locale="zh_CN") if message.id]
    return found


def translated() -> dict[Message, str]:
    found: dict[Message, str] = {}
    for message in catalogue():
        text = message.string[0] if isinstance(message.string, tuple | list) else message.string
        assert found.setdefault(_parts(message.id), str(text)) == str(text), f"translated in two ways: {message.id}"
    return found


def test_every_sentence_is_in_chinese_and_no_other() -> None:
    assert set(messages()) == set(translated())
    assert [parts for parts, text in translated().items() if not text.strip()] == []


def test_a_translation_has_the_same_places() -> None:
    for parts, text in translated().items():
        assert set(PLACE.findall(text)) == set(PLACE.findall(parts[-1])), parts


def test_chinese_is_punctuated_and_spaced_as_chinese() -> None:
    found = [
        text
        for text in translated().values()
        for plain in [PLACE.sub(" ", text)]
        if HALF_WIDTH.search(plain) or NO_SPACE.search(plain) or re.search("[您亲！]|请稍后", plain)
    ]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_nothing_is_inline(path: Path) -> None:
    assert NEVER.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        '<p style="x">',
        "<style>",
        "<script>alert(1)</script>",
        '<a onclick="x">',
        '<a hx-on:click="x">',
        "{{ x|safe }}",
        '<a href="javascript:x">',
    ],
)
def test_a_planted_inline_is_seen(planted: str) -> None:
    assert NEVER.search(planted)


def test_every_template_compiles_and_every_icon_is_there() -> None:
    for language in texts.LANGUAGES:
        for path in PAGES:
            pages.environment(language).get_template(path.relative_to(TEMPLATES).as_posix())
    named = {name for path in PAGES for name in re.findall(r"icon\('([\w-]+)'", path.read_text(encoding="utf-8"))}
    assert {name for name in named if not assets.FOLDER.joinpath("icons", f"{name}.svg").is_file()} == set()


def test_a_refusal_says_how_long_it_lasts() -> None:
    class BusyError(errors.RefusedError):
        code = "limit.reached"
        retry_after = 30

    words = texts.texts("en"), texts.texts("zh-CN")
    assert [refusals.sentence(BusyError(), each) for each in words] == [
        "Too many attempts from here. You can try again in 30 seconds.",
        "来自此处的尝试过多，30 秒后可以再试。",
    ]
    BusyError.retry_after = 91
    assert refusals.wait(BusyError(), words[0]) == "2 minutes"
