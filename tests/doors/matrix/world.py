"""Two brands, whose objects are tried by whom they do not belong to: a person of every kind, with a session each."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec
from tests import books
from tests.doors.matrix import objects
from tests.rooms.identity import people

from qucheng.core import audit, clock, crypto
from qucheng.identity import brand as brands
from qucheng.identity import membership as memberships
from qucheng.identity import permissions, second_factor
from qucheng.identity import session as sessions
from qucheng.settlement import run

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

Place = Literal["own", "other", "platform"]
Standing = Literal["in", "stranger", "over", "owes-enrolment", "owes-code"]

PARENT, RESELLER, CHILD, SIBLING = "R-parent", "R-own", "R-child", "R-sibling"
PLACES = ((PARENT, ""), (RESELLER, PARENT), (CHILD, RESELLER), (SIBLING, ""))
# found on no page of whom it does not belong to
BRAND_MARKS = ("own-brand-name", "name-of-R-own", "name-of-R-sibling", "K-R-own-1", "K-R-sibling-1")
BUYER = "buyer-of-R-own"
RESELLER_MARKS = ("name-of-R-own", "R-own", BUYER)
ORDER_MARKS = ("K-R-own-1", "K-R-own-2")


# what is one person's alone is this one's
HOLDER = "auditor of the own brand"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """role and place: what the session works as; none with a role that was revoked, and for a stranger."""

    name: str
    standing: Standing = "in"
    role: permissions.Role | None = None
    place: Place | None = None
    reseller: str | None = None
    user_id: uuid.UUID | None = None
    token: str | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    own: brands.Brand
    other: brands.Brand
    people: tuple[Person, ...]
    values: objects.Values

    def named(self, name: str) -> Person:
        (found,) = [person for person in self.people if person.name == name]
        return found

    def address(self, path: str) -> str:
        """With the values of what belongs to the own brand, its reseller and its people."""
        return path.format_map(objects.values(self.values, path))


async def made(folder: Path, owner: asyncpg.Connection, keys: crypto.Keys) -> World:
    own = await _brand(
        folder / "own", "own-brand", "2026-02", "2026-03", [f"{name},{above},gold,2026-02-01" for name, above in PLACES]
    )
    other = await _brand(
        folder / "other", "other-brand", "2026-03", "2026-04", [f"{name},,gold,2026-03-01" for name, _ in PLACES]
    )
    population = await _people(owner, keys, {"own": own.id, "other": other.id, "platform": audit.PLATFORM})
    by_name = {person.name: person.user_id for person in population}
    cast = objects.Cast(
        reseller=RESELLER,
        holder=_of(by_name, HOLDER),
        sender=_of(by_name, "owner of the own brand"),
        maker=_of(by_name, "manager of the own brand"),
    )
    values = await objects.made(owner, keys, own, folder / "var", cast)
    return World(own=own, other=other, people=population, values=values)


def _of(people: dict[str, uuid.UUID | None], name: str) -> uuid.UUID:
    found = people[name]
    assert found is not None
    return found


async def _brand(folder: Path, code: str, month: str, after: str, places: list[str]) -> brands.Brand:
    """Both have resellers of the same codes, and no order, settled month or name in common. after: a month that is a draft."""
    letter = "K" if code == "own-brand" else "X"
    prefix = "name-of" if letter == "K" else "alias-of"
    bundle = books.write(
        folder,
        code=code,
        compliance=books.INTL,
        resellers=[f"{name},{prefix}-{name},company,,gold,2026-01-01,id-{name}" for name, _ in PLACES],
        placements=places,
        rules=["OWN,percent,1,,,,gold,net,0.1,0,,", "UP,percent,2,,,,gold,net,0.03,0,,"],
        orders=[
            f"{letter}-{name}-{line},1,{month}-1{line}T10:00:00,{name},web,card,1,{100 + line}.00,,buyer-of-{name}"
            for name, _ in PLACES
            for line in (1, 2, 3)
        ]
        + [f"{letter}-{name}-4,1,{after}-14T10:00:00,{name},web,card,1,104.00,,buyer-of-{name}" for name, _ in PLACES],
        refunds=[f"F{letter}-{name},{letter}-{name}-2,1,{month}-20T10:00:00,1,50.00" for name, _ in PLACES],
    )
    text = (bundle / "brand.toml").read_text(encoding="utf-8")
    (bundle / "brand.toml").write_text(text.replace(f'name = "{code}"', f'name = "{code}-name"'), encoding="utf-8")
    brand = await books.settled(bundle, month)
    await run.compute(brand=brand, starts_on=dt.date.fromisoformat(f"{after}-01"), now=books.NOW)
    return brand


async def _people(owner: asyncpg.Connection, keys: crypto.Keys, places: dict[Place, uuid.UUID]) -> tuple[Person, ...]:
    wanted = [
        *(Person(name=f"{role} of the {place} brand", role=role, place=place) for place in _BRANDS for role in _ROLES),
        *(
            Person(name=f"{role} of {reseller} of the {place} brand", role=role, place=place, reseller=reseller)
            for place, reseller in _RESELLERS
            for role in permissions.RESELLER_ROLES
        ),
        Person(name="operator", role="operator", place="platform"),
        *(
            Person(name=f"{role}, {standing}", standing=standing, role=role, place="own", reseller=reseller)
            for standing in _HINDERED
            for role, reseller in _TWO
        ),
        Person(name="owner, owes-enrolment", standing="owes-enrolment", role="owner", place="own"),
    ]
    return (
        Person(name="stranger", standing="stranger"),
        Person(name="stranger with a token of nobody", standing="stranger", token=crypto.token()),
        await _signed_out(keys, places["own"]),
        Person(name="somebody without a role", user_id=(user := await people.person(keys)), token=await started(user)),
        *[await _without(owner, keys, places["own"], role, reseller) for role, reseller in _TWO],
        *[await _entered(owner, keys, person, places) for person in wanted],
    )


_BRANDS: tuple[Place, ...] = ("own", "other")
_RESELLERS: tuple[tuple[Place, str], ...] = (*(("own", name) for name, _ in PLACES), ("other", RESELLER))
# one who would otherwise be right for the brand's pages, one for the reseller's
_TWO: tuple[tuple[permissions.Role, str | None], ...] = (("owner", None), ("admin", RESELLER))
_HINDERED: tuple[Standing, ...] = ("over", "owes-code")
_ROLES = permissions.BRAND_ROLES


async def _entered(owner: asyncpg.Connection, keys: crypto.Keys, person: Person, places: dict[Place, uuid.UUID]) -> Person:
    assert person.role is not None
    assert person.place is not None
    who = await people.member(keys, places[person.place], person.role, reseller=person.reseller)
    if person.standing == "owes-code" or (person.role in permissions.STRICT_ROLES and person.standing != "owes-enrolment"):
        await enrol(owner, keys, who.user_id)
    begun = clock.now() - dt.timedelta(days=30 if person.standing == "over" else 0)
    token = await started(who.user_id, begun)
    if person.standing in ("in", "over"):
        await give_second_factor(owner, who.user_id)
    return msgspec.structs.replace(person, user_id=who.user_id, token=token)


async def _without(
    owner: asyncpg.Connection, keys: crypto.Keys, brand_id: uuid.UUID, role: permissions.Role, reseller: str | None
) -> Person:
    """The session stands, in a role that was revoked since."""
    who = await people.member(keys, brand_id, role, reseller=reseller)
    await enrol(owner, keys, who.user_id)
    token = await started(who.user_id)
    await give_second_factor(owner, who.user_id)
    if role == "owner":  # who would be the last one keeps the role
        await people.member(keys, brand_id, role)
    await memberships.revoke(
        brand_id=brand_id,
        membership_id=await people.role_of(who.user_id, brand_id),
        actor=audit.SYSTEM,
        now=clock.now(),
    )
    return Person(name=f"{role} until a moment ago", user_id=who.user_id, token=token)


async def _signed_out(keys: crypto.Keys, brand_id: uuid.UUID) -> Person:
    who = await people.member(keys, brand_id, "support")
    token = await started(who.user_id)
    await sessions.end_others(user_id=who.user_id, keep=None, actor=audit.SYSTEM, now=clock.now())
    return Person(name="support, signed out", standing="stranger", token=token)


async def started(user_id: uuid.UUID, begun: dt.datetime | None = None) -> str:
    return await sessions.start(
        user_id=user_id, device="Firefox · Linux", network=people.HERE, actor=audit.SYSTEM, now=begun or clock.now()
    )


async def enrol(owner: asyncpg.Connection, keys: crypto.Keys, user_id: uuid.UUID) -> str:
    made = await second_factor.begin(keys=keys, user_id=user_id, login="somebody")
    await owner.execute("UPDATE second_factor SET confirmed_at = now() WHERE user_id = $1", user_id)
    return made.secret


async def give_second_factor(owner: asyncpg.Connection, user_id: uuid.UUID) -> None:
    await owner.execute("UPDATE session SET second_factor_at = now() WHERE user_id = $1", user_id)


async def fresh(owner: asyncpg.Connection, person: Person) -> str:
    """Another session of the person, which may be used up."""
    assert person.user_id is not None
    token = await started(person.user_id)
    if person.standing == "in":
        await give_second_factor(owner, person.user_id)
    return token
