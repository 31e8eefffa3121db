"""Nothing of the machine it was written on, nothing left to do, no word that sells people instead of goods.

The patterns are put together from pieces, so that this file is not found by itself.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def any_of(*pieces: tuple[str, ...]) -> str:
    return "|".join(re.escape("".join(piece)) for piece in pieces)


MACHINE = re.compile(
    r"(?<![\w.~-])/(?:" + any_of(("ho", "me"), ("ro", "ot"), ("Us", "ers"), ("wo", "rk"), ("m", "nt")) + r")/[\w.]"
    r"|\b[A-Z]:\\{1,2}" + "Us" + "ers" + r"\b"
)
REGISTRY = re.compile(
    any_of(
        ("py", "pi.", "org"),
        ("python", "hosted.", "org"),
        ("npm", "js.", "org"),
        ("npm", "js.", "com"),
        ("npm", "mirror."),
        ("crates", ".io"),
        ("proxy.", "golang"),
        ("docker", ".io"),
        ("ghcr", ".io"),
        ("repo1.", "maven"),
        ("pypi.", "tuna"),
        ("mirrors.", "aliyun"),
        ("arti", "factory"),
    ),
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"\b(?:" + any_of(("TO", "DO"), ("FIX", "ME"), ("X", "XX"), ("HA", "CK")) + r")\b")
NEVER_SHOWN = re.compile(any_of(("下", "线"), ("团队", "裂变"), ("拉", "人头"), ("躺", "赚"), ("层层", "返利"), ("管道", "收益")))
SHOWN = ("templates/", "src/qucheng/locale/", "src/qucheng/web/")

FORBIDDEN = (
    (MACHINE, "a path of one machine"),
    (REGISTRY, "the name of a package registry"),
    (UNFINISHED, "something left to do"),
)


def faults(name: str, text: str) -> list[str]:
    patterns = [*FORBIDDEN, *([(NEVER_SHOWN, "a word that is never shown")] if name.startswith(SHOWN) else [])]
    return [
        f"{name}:{number}: {what}: {match[0]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern, what in patterns
        if (match := pattern.search(line))
    ]


def project_files() -> list[str]:
    """Everything git has or would take."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git as the machine has it
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file())


def test_every_text_file() -> None:
    names = project_files()
    assert "pyproject.toml" in names
    found = []
    for name in names:
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            found += faults(name, content.decode())
    assert found == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.py", 'x = "/ho' + 'me/ming/books"', "a path of one machine"),
        ("a.md", "see /wo" + "rk/main/README.md", "a path of one machine"),
        ("a.md", "C:\\Us" + "ers\\ming", "a path of one machine"),
        ("a.toml", 'index = "https://py' + 'pi.org/simple"', "the name of a package registry"),
        ("a.lock", "https://registry.npm" + "js.org/", "the name of a package registry"),
        ("a.py", "# TO" + "DO: later", "something left to do"),
        ("templates/portal/team.html", "<h1>我的下" + "线</h1>", "a word that is never shown"),
    ],
)
def test_a_planted_word_is_seen(name: str, text: str, fault: str) -> None:
    (found,) = faults(name, text)
    assert fault in found


def test_what_is_allowed_is_not_seen() -> None:
    assert faults("a.py", 'GET /api/v1/orders; var/postgres; "/tmp"; ~/books; homework/root-cause; localhost:5432') == []
