"""A file has at most 400 lines and a function at most 70, migrations excepted (house rule 15)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "scripts")
SUFFIXES = {".py", ".sql", ".sh", ".html", ".css", ".js", ""}
# what was taken from others stays as it came
EXCEPTED = ("/piccolo_migrations/", "/__pycache__/", "/node_modules/", "/static/jsqr/")

FILE_LINES = 400
FUNCTION_LINES = 70


def faults(name: str, source: str) -> list[str]:
    lines = source.count("\n") + (not source.endswith("\n"))
    found = [f"{name}: {lines} lines"] if lines > FILE_LINES else []
    if name.endswith(".py"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
    return found


def test_files_and_functions_stay_small() -> None:
    found = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            name = file.relative_to(ROOT).as_posix()
            if file.is_file() and file.suffix in SUFFIXES and not any(part in f"/{name}" for part in EXCEPTED):
                found += faults(name, file.read_text(encoding="utf-8"))
    assert found == []


def test_a_long_file_and_a_long_function_are_seen() -> None:
    assert faults("long.py", "x = 1\n" * 400) == []
    assert faults("long.py", "x = 1\n" * 401) == ["long.py: 401 lines"]
    assert faults("long.sql", "SELECT 1;\n" * 401) == ["long.sql: 401 lines"]
    assert faults("f.py", "def f():\n" + "    x = 1\n" * 69) == []
    assert faults("f.py", "class A:\n    async def f(self):\n" + "        x = 1\n" * 70) == ["f.py:2: f has 71 lines"]
