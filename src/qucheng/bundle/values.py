"""How a value of each kind is read in SQL: an expression that gives the stored value, or NULL where it cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.bundle.files import Kind

if TYPE_CHECKING:
    from qucheng.bundle.files import Column

DAY = (
    r"((19|20|21)[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|(?!1900|2100)(19|20|21)([02468][048]|[13579][26])-02-29)"
)
SHAPE = (
    r"^(19|20|21)[0-9][0-9]-(0[1-9]|1[0-2])-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?$"
)
# Nothing the specification names is longer; a limit all the same.
LONGEST = 10_000

# Written without FROM so that the planner puts it in place: it is run for every line. Only days past the 28th need the
# calendar, which is the dearer pattern.
FUNCTIONS = rf"""
CREATE OR REPLACE FUNCTION pg_temp.read_instant(value text, zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN value ~ '{SHAPE}' THEN
        CASE WHEN substr(value, 9, 2) BETWEEN '01' AND '28' OR value ~ '^{DAY}T' THEN
            CASE WHEN right(value, 1) = 'Z' OR left(right(value, 6), 1) IN ('+', '-') THEN value::timestamptz
                 ELSE instant_of_local(value::timestamp, zone) END END END
$$;
"""


def _text(longest: int) -> str:
    return rf"CASE WHEN length({{v}}) <= {longest} AND {{v}} !~ '[\x01-\x1f\x7f]' THEN {{v}} END"


def _whole(least: int, most: int) -> str:
    return f"CASE WHEN {{v}} ~ '^0*[0-9]{{{{1,9}}}}$' THEN CASE WHEN {{v}}::numeric BETWEEN {least} AND {most} THEN {{v}}::numeric::integer END END"


def _money(sign: str) -> str:
    return f"CASE WHEN {{v}} ~ '^{sign}0*[0-9]{{{{1,10}}}}{{fraction}}$' THEN ({{v}}::numeric * {{unit}})::bigint END"


FORMS = {
    Kind.CODE: "CASE WHEN octet_length({v}) <= 40 AND {v} !~ '[^A-Za-z0-9._-]' THEN {v} END",
    Kind.TEXT: _text(80),
    Kind.REASON: _text(LONGEST),
    Kind.HASH: _text(LONGEST),
    Kind.PLAIN: _text(LONGEST),
    Kind.MONEY: _money(""),
    Kind.SIGNED_MONEY: _money("-?"),
    Kind.DATE: f"CASE WHEN {{v}} ~ '^{DAY.replace('{', '{{').replace('}', '}}')}$' THEN {{v}}::date END",
    Kind.INSTANT: "pg_temp.read_instant({v}, {zone})",
    Kind.RANK: _whole(1, 999_999_999),
    Kind.QUANTITY: _whole(1, 1_000_000),
    Kind.REFUNDED_QUANTITY: _whole(0, 1_000_000),
    # any level past the policy's is refused as such, however long it is; one that is no level at all is the rule's fault
    Kind.LEVEL: "CASE WHEN {v} ~ '^0*[1-9][0-9]{{0,2}}$' THEN {v}::numeric::integer WHEN {v} ~ '^0*[1-9][0-9]*$' THEN 1000 END",
    Kind.PRIORITY: "CASE WHEN {v} ~ '^-?0*[0-9]{{1,9}}$' THEN {v}::numeric::integer END",
    Kind.RESELLER_KIND: "CASE WHEN {v} IN ('individual', 'company') THEN {v} END",
    Kind.CHANNEL_KIND: "CASE WHEN {v} IN ('agency', 'wholesale') THEN {v} END",
    Kind.HOLD_FROM: "CASE WHEN {v} IN ('paid', 'delivered', 'redeemed') THEN {v} END",
    Kind.FULFILMENT: "CASE WHEN {v} IN ('delivered', 'redeemed') THEN {v} END",
}


def read(column: Column, raw: str, *, decimals: int, zone: str) -> str:
    """The expression that reads the column from the staged text `raw`, its default filled in. zone: an SQL expression."""
    expression = FORMS[column.kind].format(
        v=raw, zone=zone, unit=10**decimals, fraction=rf"(\.[0-9]{{1,{decimals}}})?" if decimals else ""
    )
    if column.default is None:
        return expression
    default = "0" if column.default == "0" else f"'{column.default}'"
    return f"CASE WHEN {raw} IS NULL THEN {default} ELSE {expression} END"
