"""The rules a brand's sales earn by."""

from __future__ import annotations

from qucheng.core import db


async def add_rules(*, staged: str, intake: int) -> None:
    """Takes in the accepted rows of `staged`, whose rate_text is in its shortest form. They count for what is accrued from now on."""
    await db.connection().execute(f"""
        INSERT INTO rule (brand_id, code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor, rate_text, priority, starts_on, ends_on,
                          intake)
        SELECT b.id, r.code, kind, level, sku, category, channel, tier, basis, CASE kind WHEN 'percent' THEN (rate_text::numeric * 1000000)::integer END,
               CASE kind WHEN 'per_unit' THEN (rate_text::numeric * power(10::numeric, b.decimals))::bigint END, rate_text, priority, starts_on, ends_on,
               {intake}
        FROM brand b CROSS JOIN {staged} r WHERE r.fault IS NULL;
        INSERT INTO rule_bracket (brand_id, rule, from_value, rate_ppm, rate_minor)
        SELECT b.id, r.code, (split_part(pair, ':', 1)::numeric * CASE r.basis WHEN 'unit' THEN 1 ELSE power(10::numeric, b.decimals) END)::bigint,
               CASE WHEN r.basis <> 'unit' THEN (split_part(pair, ':', 2)::numeric * 1000000)::integer END,
               CASE WHEN r.basis = 'unit' THEN (split_part(pair, ':', 2)::numeric * power(10::numeric, b.decimals))::bigint END
        FROM brand b CROSS JOIN {staged} r CROSS JOIN LATERAL unnest(string_to_array(r.rate_text, ';')) pair
        WHERE r.fault IS NULL AND r.kind IN ('graduated', 'slab');""")
