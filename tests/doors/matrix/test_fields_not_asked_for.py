"""Whatever a form brings besides what it is asked for changes nothing: every column of the database, with the values of others."""

from __future__ import annotations

import uuid

import pytest
from tests.doors.matrix import attempts, table, world

pytestmark = pytest.mark.anyio

FORMS = [
    route
    for route in table.routes()
    if route.audience == "pages" and route.method in table.UNSAFE and route.permission != "anybody"
]
# what these are for; that the right role is the one that ends is in their own tests
REVOKE = frozenset(route.name for route in FORMS if route.path.endswith("/{membership_id}/revoke"))
# who somebody is and what they may, in every brand; and all that is the other brand's
RIGHTS = (
    "SELECT md5(string_agg(r, '|' ORDER BY r)) FROM (SELECT m::text FROM membership m"
    " UNION ALL SELECT concat(id, login_hash, name_cipher, state, password_hash) FROM person"
    " UNION ALL SELECT concat(id, user_id, brand, membership, second_factor_at) FROM session"
    " UNION ALL SELECT concat(user_id, secret_cipher, confirmed_at) FROM second_factor WHERE confirmed_at IS NOT NULL) rights(r)"
)


async def poison(ground: attempts.Ground) -> dict[str, str]:
    """Every column of every table: names of the other brand's things where there are such, and a one elsewhere."""
    columns = await ground.owner.fetch(
        "SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    other, stranger = str(ground.world.other.id), str(ground.world.named("owner of the other brand").user_id)
    people = dict.fromkeys(("user_id", "maker", "checker", "granted_by", "revoked_by", "invited_by", "accepted_by"), stranger)
    special = {"brand_id": other, "brand": other, "role": "operator", "state": "executed", "id": str(uuid.UUID(int=1)), **people}
    return {**{row[0]: "1" for row in columns}, **special, "permissions": "runs.issue.approve", "is_admin": "true"}


async def other_brand(ground: attempts.Ground) -> dict[str, str]:
    rows = await ground.owner.fetch(
        "SELECT table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND column_name = 'brand_id' AND table_type = 'BASE TABLE'"
    )
    found = await ground.owner.fetch(
        " UNION ALL ".join(
            f"SELECT '{row[0]}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {row[0]} t WHERE brand_id = $1"
            for row in rows
        ),
        ground.world.other.id,
    )
    return {row[0]: row[1] for row in found}


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.name)
async def test_fields_nobody_asked_for_change_no_right_and_nothing_of_others(ground: attempts.Ground, route: table.Route) -> None:
    ground.unlimited()
    token = await world.fresh(ground.owner, attempts.right_person(route, ground.world))
    rights, others = await ground.owner.fetchval(RIGHTS), await other_brand(ground)
    answer = await ground.send(
        route.method, ground.world.address(route.path), token, {**await poison(ground), **route.fields}, parts=route.parts
    )
    assert answer.status_code < 500
    assert (await ground.owner.fetchval(RIGHTS) == rights) is (route.name not in REVOKE)
    assert await other_brand(ground) == others
