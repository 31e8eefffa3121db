"""Each row of a staged file judged, set by set: `raw_{name}` in, `checked_{name}` out.

The order is the specification's: required values, readable values, references, rules that need only the row and what it
refers to, key. `fault` says why a row is not taken (a code, a colon, the column at fault), 'duplicate' that it is there
already, NULL that it is accepted so far. The rules that need other rows come after, in bundle/network.py, refunds.sql and fulfilments.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qucheng.bundle import messages, network, values
from qucheng.bundle.files import Kind
from qucheng.core import db

if TYPE_CHECKING:
    from qucheng.bundle.files import Column, File
    from qucheng.identity.brand import Brand

RULES_SQL = Path(__file__).with_name("rules.sql")


@dataclass(frozen=True)
class Rules:
    """What a file asks of its rows beyond its columns. Pairs are (condition, fault); v is the row, `brand` b.

    invalid: with the readable values; joins, missing: with the references; refused: after them, in this order.
    """

    invalid: tuple[tuple[str, str], ...] = ()
    joins: str = ""
    missing: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()


ENDS_FIRST = ("v.ends_on <= v.starts_on", "value.invalid:ends_on")
# an order that was placed by itself has the lines it was placed with
LIVE = """
    UPDATE checked_orders c SET fault = 'order.live:order' FROM sale s
    WHERE s.brand_id = current_brand() AND s.order_no = c.order_no AND c.fault IS NULL"""
OF_LINE = "LEFT JOIN order_line ref_line ON ref_line.brand_id = b.id AND ref_line.order_no = v.order_no AND ref_line.line_no = v.line_no"
RULES = {
    "prices": Rules(invalid=(ENDS_FIRST,)),
    "rules": Rules(
        invalid=(ENDS_FIRST, ("v.kind IN ('percent', 'per_unit') AND v.canonical IS NULL", "value.invalid:rate")),
        refused=(
            ("v.kind NOT IN ('percent', 'per_unit', 'graduated', 'slab')", "rule.invalid:kind"),
            ("v.basis NOT IN ('net', 'gross', 'margin', 'unit')", "rule.invalid:basis"),
            ("(v.kind = 'per_unit') <> (v.basis = 'unit') AND v.kind IN ('percent', 'per_unit')", "rule.invalid:basis"),
            ("v.kind IN ('graduated', 'slab') AND v.basis = 'margin'", "rule.invalid:basis"),
            ("v.kind IN ('percent', 'per_unit') AND v.level IS NULL", "rule.invalid:level"),
            ("v.kind IN ('graduated', 'slab') AND v.c_level IS NOT NULL", "rule.invalid:level"),
            ("v.canonical IS NULL", "rule.invalid:rate"),
            ("v.level > b.max_levels", "rule.level_exceeded:level"),
        ),
        replaced=(("rate_text", "v.canonical"),),
    ),
    "orders": Rules(
        refused=(
            ("v.discount_minor > v.gross_minor", "order.net_negative:discount"),
            ("(v.paid_at AT TIME ZONE b.time_zone)::date < ref_reseller.joined_on", "order.before_joined:paid_at"),
        )
    ),
    "refunds": Rules(
        joins=OF_LINE,
        missing=(("ref_line.order_no IS NULL", "ref.unknown:line"),),
        refused=(("v.refunded_at < ref_line.paid_at", "refund.before_payment:refunded_at"),),
    ),
    "fulfilments": Rules(
        joins=OF_LINE,
        missing=(("ref_line.order_no IS NULL", "ref.unknown:line"),),
        refused=(("v.at < ref_line.paid_at", "fulfilment.before_payment:at"),),
    ),
}


async def check(file: File, brand: Brand) -> None:
    """Judges the file up to and including its key; every file it refers to has been taken in before."""
    connection = db.connection()
    if file.name == "rules":
        await connection.execute(RULES_SQL.read_text(encoding="utf-8"))
    await connection.execute(_reading(file, brand))
    await connection.execute(f"ANALYZE checked_{file.name}")
    if file.name == "resellers":
        await network.check_parents()
    elif file.name == "placements":
        await network.check_placements()
    await connection.execute(_repeated(file))
    if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {file.table})"):
        await connection.execute(_known(file))
    if file.name == "orders":
        await connection.execute(LIVE)


def _reading(file: File, brand: Brand) -> str:
    rules = RULES.get(file.name, Rules())
    fields = {column.field: f"v.{column.field}" for column in file.columns} | dict(rules.replaced)
    referring = [column for column in file.columns if column.refers]
    faults = [("v.unread IS NOT NULL", "v.unread")]
    faults += [(f"v.{c.field} IS NOT NULL AND {_reference(c)}.code IS NULL", f"'ref.unknown:{c.name}'") for c in referring]
    faults += [(condition, f"'{fault}'") for condition, fault in rules.missing + rules.refused]
    return f"""
        CREATE TEMP TABLE checked_{file.name} ON COMMIT DROP AS
        SELECT v.row, {", ".join(f"{expression} AS {field}" for field, expression in fields.items())}, {_case(faults)} AS fault
        FROM brand b CROSS JOIN ({_read(file, brand, rules)}) v
        {" ".join(f"LEFT JOIN {c.refers} {_reference(c)} ON {_reference(c)}.brand_id = b.id AND {_reference(c)}.code = v.{c.field}" for c in referring)}
        {rules.joins}"""


def _read(file: File, brand: Brand, rules: Rules) -> str:
    """The staged rows with their values read. OFFSET 0 keeps the planner from reading a value again wherever it is used."""
    missing = [(f"v.c_{c.name} IS NULL", f"'value.missing:{c.name}'") for c in file.columns if c.required]
    invalid = [
        (f"v.{c.field} IS NULL AND v.c_{c.name} IS NOT NULL", f"'value.invalid:{c.name}'")
        for c in file.columns
        if c.kind is not Kind.LEVEL
    ]
    invalid += [(f"v.c_{c.name} ~ '[\x01-\x1f\x7f]'", f"'value.invalid:{c.name}'") for c in file.columns if c.kind is Kind.LEVEL]
    invalid += [(condition, f"'{fault}'") for condition, fault in rules.invalid]
    # the zone as a literal: a parameter of one value, checked when the brand was read
    reads = [
        f"{values.read(c, f'c_{c.name}', decimals=brand.decimals, zone=_literal(brand.time_zone))} AS {c.field}"
        for c in file.columns
    ]
    extra = f", pg_temp.canonical_rate(c_kind, c_basis, c_rate, {brand.decimals}) AS canonical" if file.name == "rules" else ""
    return f"SELECT v.*, {_case(missing + invalid)} AS unread FROM (SELECT *, {', '.join(reads)}{extra} FROM raw_{file.name} OFFSET 0) v OFFSET 0"


def _repeated(file: File) -> str:
    """The later of rows with one key: ignored when it says the same, refused when it does not."""
    return f"""
        WITH first AS (SELECT {_key(file, "c")}, min(c.row) AS row FROM checked_{file.name} c WHERE c.fault IS NULL
                       GROUP BY {_key(file, "c")} HAVING count(*) > 1)
        UPDATE checked_{file.name} c SET fault = {_verdict(file, "f", "")}
        FROM (SELECT c.* FROM first JOIN checked_{file.name} c USING (row)) f
        WHERE c.fault IS NULL AND c.row > f.row AND ({_key(file, "c")}) = ({_key(file, "f")})"""


def _known(file: File) -> str:
    """Rows whose key an earlier import took."""
    return f"""
        UPDATE checked_{file.name} c SET fault = {_verdict(file, "s", messages.STORED)} FROM {file.table} s
        WHERE s.brand_id = current_brand() AND (c.fault IS NULL OR c.fault = 'duplicate' OR c.fault LIKE 'key.conflict:%')
          AND ({_key(file, "c")}) = ({_key(file, "s")})"""


def _verdict(file: File, other: str, where: str) -> str:
    """where: nothing for another row of the file, messages.STORED for a stored one."""
    column = next(c.name for c in file.columns if c.field == file.key[0])
    values_of = [f"({', '.join(f'{alias}.{c.field}' for c in file.columns)})" for alias in ("c", other)]
    return (
        f"CASE WHEN {values_of[0]} IS NOT DISTINCT FROM {values_of[1]} THEN 'duplicate' ELSE 'key.conflict:{column}{where}' END"
    )


def _key(file: File, alias: str) -> str:
    blank = {c.field for c in file.columns if c.kind is Kind.CODE and not c.required}
    return ", ".join(f"coalesce({alias}.{field}, '')" if field in blank else f"{alias}.{field}" for field in file.key)


def _reference(column: Column) -> str:
    return f"ref_{column.field}"


def _case(faults: list[tuple[str, str]]) -> str:
    return "CASE " + " ".join(f"WHEN {condition} THEN {fault}" for condition, fault in faults) + " END"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
