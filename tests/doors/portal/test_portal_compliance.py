"""What a reseller reads about the law: where it stands, what it accepted, the rules that pay its own tier, and nothing of anybody else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from tests.doors.console import visits
from tests.rooms.insight import portal_brand

if TYPE_CHECKING:
    from tests.doors.portal.conftest import SignedIn

pytestmark = pytest.mark.anyio

HERE = "/portal/compliance"


async def words(signed_in: SignedIn, reseller: str) -> str:
    visitor = await signed_in("admin", reseller)
    answer = await visitor.get(HERE)
    assert answer.status_code == 200
    return html.unescape(visits.plain(answer.text))


async def test_it_says_where_it_stands_and_that_joining_is_free(signed_in: SignedIn) -> None:
    said = await words(signed_in, portal_brand.PARENT)
    assert "Where you stand May sell Tier 金牌" in said
    assert "Fee for joining ¥0.00" in said
    assert "Identity Not verified yet" in said
    assert "Nobody paid to join, and no tier can be bought." in said
    assert "Agreements you accepted None yet" in said
    assert "A figure stands here once a month is settled in which your tier had at least 5 resellers." in said


async def test_it_shows_the_rules_that_pay_its_own_tier_alone(signed_in: SignedIn) -> None:
    """The bonus is for gold: the one who is base does not see it."""
    said = await words(signed_in, portal_brand.PARENT)
    assert "OWN The seller Share of a sale Every sale 10.00% of what the buyer paid Always 0" in said
    assert "VOLUME The seller Monthly bonus, bracket by bracket Tier gold from 0: 0.00% from 100: 1.00%" in said
    other = await words(signed_in, portal_brand.SIBLING)
    assert "OWN The seller" in other
    assert "VOLUME" not in other


async def test_a_seller_of_it_does_not_read_it(signed_in: SignedIn) -> None:
    visitor = await signed_in("seller", portal_brand.PARENT)
    assert (await visitor.get(HERE)).status_code == 404
