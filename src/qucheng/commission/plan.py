"""The rules a brand's sales earn by."""

from __future__ import annotations

from typing import ClassVar

from qucheng.core import db, errors

# As a bundle has them: with the days on which versions begin and end them. A rule that never came to count is none.
SOURCE = "(SELECT * FROM rule_term WHERE starts_on IS NULL OR ends_on IS NULL OR ends_on > starts_on)"


class PlanKeptError(errors.RefusedError):
    """The plan is kept on the platform: a delivery brings no rules any more."""

    code: ClassVar[str] = "brand.plan_kept"


async def add_rules(*, staged: str, intake: int) -> None:
    """Takes in the accepted rows of `staged`, whose rate_text is in its shortest form. They count for what is accrued from now on.

    Raises PlanKeptError where there is one and a version of the plan has been approved.
    """
    fresh = await db.connection().fetch(
        f"SELECT code FROM {staged} WHERE fault IS NULL AND EXISTS (SELECT 1 FROM plan_version WHERE state = 'approved') ORDER BY code LIMIT 5"
    )
    if fresh:
        raise PlanKeptError(
            f"The plan of this brand is kept on the platform since its first version was approved: {', '.join(row['code'] for row in fresh)} would be"
            " new. Nothing was imported. Take new rules out of rules.csv and put them into a draft of the plan."
        )
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
