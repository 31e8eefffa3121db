"""The depth cap of a brand, as the network is judged by it: the one it was founded with, and the tighter ones of later days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.identity import policy_value
from qucheng.network import rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand


async def read(brand: Brand) -> rules.Cap:
    terms = await policy_value.terms(brand_id=brand.id)
    later = tuple((each.starts_on, each.max_depth) for each in reversed(terms) if each.starts_on is not None)
    return rules.Cap(max_depth=terms[-1].max_depth, heads_limited=brand.policy == "intl", later=later)
