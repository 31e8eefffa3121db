"""Money is integers, and each amount is one integer division: no float, no `/`, no rounded quotient (house rule 6)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "qucheng"
ROOMS = ("ledger", "network", "catalog", "orders", "commission", "settlement")
FILES = ("core/money.py",)
NOT_MONEY = {"settlement/document_pool.py": "seconds that a renderer may take"}

PATH_NAME = re.compile(r"(?:^|_)(?:folder|path|dir|root|parent|parents)$", re.IGNORECASE)
SQL_WORDS = re.compile(
    r"\b(?:SELECT|FROM|WHERE|JOIN|INSERT INTO|UPDATE|DELETE|VALUES|RETURNING|GROUP BY|ORDER BY|OVER|CASE|WHEN|CREATE|ALTER|COALESCE|GREATEST|LEAST)\b"
)
SQL_NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
SQL_FLOAT = re.compile(r"\b(?:float[48]?|real|double\s+precision)\b", re.IGNORECASE)
SQL_ROUND = re.compile(r"\bround\s*\(", re.IGNORECASE)


def faults_of_sql(name: str, sql: str, first_line: int = 1) -> list[str]:
    code = SQL_NOT_CODE.sub(lambda match: "''" + "\n" * match[0].count("\n"), sql)
    found = [(match.start(), f"the type {match[0].lower()}") for match in SQL_FLOAT.finditer(code)]
    found += [(match.start(), "a division with /") for match in re.finditer("/", code)]
    for match in SQL_ROUND.finditer(code):
        inside = argument(code, match.end())
        if "/" in inside or re.search(r"\bdiv\s*\(", inside, re.IGNORECASE):
            found.append((match.start(), "round() of a quotient"))
    return [f"{name}:{first_line + code.count(chr(10), 0, at)}: {what}" for at, what in sorted(found)]


def argument(code: str, start: int) -> str:
    """What stands between the parenthesis that opened before `start` and the one that closes it."""
    depth = 1
    for at in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if not depth:
            return code[start:at]
    return code[start:]


def faults_of_python(name: str, source: str) -> list[str]:
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside_f_strings = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    paths = {id(node.left) for node in ast.walk(tree) if isinstance(node, ast.BinOp) and is_path(node)}
    found: list[str] = []
    for node in ast.walk(tree):
        text = sql_text(node)
        if text is not None and id(node) not in prose and id(node) not in inside_f_strings and SQL_WORDS.search(text):
            found += faults_of_sql(name, text, getattr(node, "lineno", 1))
        elif id(node) not in paths and (fault := fault_of_node(node)) is not None:
            found.append(f"{name}:{getattr(node, 'lineno', 1)}: {fault}")
    return found


def sql_text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "x" for part in node.values
        )
    return None


def fault_of_node(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        return f"the float {node.value}"
    if isinstance(node, ast.Name) and node.id == "float":
        return "the type float"
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div) and not is_path(node):
        return "a division with /"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round":
        return "round(), which takes halves to even"
    return None


def is_path(node: ast.AST) -> bool:
    """`folder / "name"`: the one other meaning of the sign, told by a text beside it or by a name that says so."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return is_path(node.left) or is_path(node.right)
    if isinstance(node, ast.Name | ast.Attribute):
        return PATH_NAME.search(node.id if isinstance(node, ast.Name) else node.attr) is not None
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_money_code_in_python() -> None:
    in_rooms = (file for room in ROOMS for file in sorted((PACKAGE / room).rglob("*.py")))
    files = [
        *(PACKAGE / name for name in FILES),
        *(file for file in in_rooms if file.relative_to(PACKAGE).as_posix() not in NOT_MONEY),
    ]
    assert files
    assert [
        fault for file in files for fault in faults_of_python(str(file.relative_to(PACKAGE)), file.read_text(encoding="utf-8"))
    ] == []


def test_money_code_in_sql() -> None:
    files = sorted(PACKAGE.rglob("*.sql"))
    assert files
    assert [
        fault for file in files for fault in faults_of_sql(str(file.relative_to(PACKAGE)), file.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def f(a: float) -> int: ...", "a.py:1: the type float"),
        ("x = 0.5", "a.py:1: the float 0.5"),
        ("y = a / b", "a.py:1: a division with /"),
        ("y = (a * b) / c", "a.py:1: a division with /"),
        ("y = 1\ny /= 3", "a.py:2: a division with /"),
        ("y = round(a * b)", "a.py:1: round(), which takes halves to even"),
        ('q = "SELECT a / b FROM t"', "a.py:1: a division with /"),
        ('q = f"""SELECT x\nFROM t WHERE {a} = b / {c}"""', "a.py:2: a division with /"),
        ('q = "SELECT sum(a)::float8 FROM t"', "a.py:1: the type float8"),
        ('q = "SELECT round(div(a, b)) FROM t"', "a.py:1: round() of a quotient"),
    ],
)
def test_a_planted_fault_in_python_is_seen(source: str, fault: str) -> None:
    assert faults_of_python("a.py", source) == [fault]


def test_a_planted_fault_in_sql_is_seen() -> None:
    sql = "-- a / b\nSELECT 'a/b', /* x / y */ n FROM t;\nALTER TABLE t ADD r double precision;\nSELECT round(a *\n(b / c));"
    assert faults_of_sql("a.sql", sql) == [
        "a.sql:3: the type double precision",
        "a.sql:4: round() of a quotient",
        "a.sql:5: a division with /",
    ]


def test_what_is_allowed_is_not_seen() -> None:
    source = '''"""Either / or; the float is a word here: SELECT a / b FROM t."""
from pathlib import Path
text = "and / or"
file = Path("a") / "b" / name
file = FOLDER / names[0]
file = self.out_folder / name
file = LOCALES / name / "messages"
q = "SELECT div(2 * abs(a) + b, 2 * b), 'application/json' FROM t WHERE realm = $1"
n = (2 * a + b) // (2 * b)
'''
    assert faults_of_python("a.py", source) == []
