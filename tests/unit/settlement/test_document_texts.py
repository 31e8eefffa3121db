import re
from pathlib import Path

import jinja2.ext
from babel.messages import extract, pofile

from qucheng.settlement import document_texts

ROOT = Path(__file__).resolve().parents[3]
KEYWORDS: dict[str, object] = {"gettext": None, "_": None, "ngettext": (1, 2)}


def _first(message: object) -> str:
    """A sentence, or of a plural the first form."""
    return str(message[0]) if isinstance(message, (tuple, list)) else str(message or "")


def _used() -> set[str]:
    """Every sentence of template and code, a plural by its singular."""
    found: set[str] = set()
    for path in sorted((ROOT / "src/qucheng/settlement").glob("document*.py")):
        with path.open("rb") as source:
            messages = [message for _, message, _, _ in extract.extract("python", source, keywords=KEYWORDS)]  # type: ignore[arg-type]
        found.update(map(_first, messages))
    with (ROOT / "templates/statement/statement.html").open("rb") as source:
        for _, _, message, _ in jinja2.ext.babel_extract(source, list(KEYWORDS), [], {}):
            found.add(_first(message))
    return found


def _translated() -> dict[str, str]:
    path = document_texts.LOCALES / "zh_CN/LC_MESSAGES/statement.po"
    with path.open("rb") as source:
        catalogue = pofile.read_po(source, locale="zh_CN")
    return {_first(message.id): _first(message.string) for message in catalogue if message.id}


def test_every_sentence_is_there_in_chinese_and_none_is_left_over() -> None:
    assert {sentence for sentence, chinese in _translated().items() if not chinese} == set()
    assert _used() == set(_translated())


def test_a_translation_has_the_placeholders_of_its_sentence() -> None:
    for sentence, chinese in _translated().items():
        assert sorted(set(re.findall(r"%\(\w+\)s", chinese))) == sorted(set(re.findall(r"%\(\w+\)s", sentence))), sentence


def test_chinese_sentences_have_chinese_punctuation_and_no_forbidden_word() -> None:
    for sentence, chinese in _translated().items():
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[\u4e00-\u9fff]\.$", chinese), sentence
        assert not re.search("下线|团队|拉人头|躺赚|返利|您", chinese), sentence
