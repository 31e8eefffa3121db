"""Applications: free, sealed, one that waits for each person, and answered once."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.network import admission, agreement, application, document_number, identity_facts, placement, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import uuid

    import asyncpg

    from qucheng.core import crypto
    from qucheng.core.errors import RefusedError
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LETTERS = "SELECT id, kind, locale, to_cipher, values_cipher FROM letter WHERE to_cipher IS NOT NULL ORDER BY written_at, id"


async def letters(owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand) -> list[tuple[str, str, str]]:
    """Kind, address and token of those that this brand's people get."""
    found = []
    for row in await owner.fetch(LETTERS):
        try:
            values = msgspec.json.decode(keys.open(row["values_cipher"], place=f"letter.values/{row['id']}"))
        except Exception:  # noqa: BLE001, S112 - of another test, whose keys are others
            continue
        if values["brand"] == brand.name:
            found.append((row["kind"], keys.open(row["to_cipher"], place=f"letter.to/{row['id']}").decode(), values["token"]))
    return found


async def test_an_application_is_stored_sealed_and_its_letter_leads_to_it(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement
) -> None:
    made = await desk.applied(
        keys, brand, current, number=" １１０１０５ 19491231 002x ", invited_by="R1", channels=("web", "shop")
    )
    found = await application.read(brand_id=brand.id, application_id=made)
    assert (found.state, found.kind, found.name, found.channels, found.invited_by, found.inviter, found.fee_minor) == (
        "waiting", "individual", "小店", ("shop", "web"), "R1", "一号", 0,
    )  # fmt: skip
    assert (found.agreement, found.agreement_sha256, found.address, found.applied_at) == (
        1,
        current.sha256,
        "198.51.100.7",
        desk.NOW,
    )
    actor = people.actor(await people.member(keys, brand.id, "manager"))
    facts = await application.open_facts(keys=keys, brand_id=brand.id, application_id=made, actor=actor)
    assert facts == identity_facts.Facts(
        legal_name="张三",
        document="cn-id",
        number=desk.NUMBER,
        contact_name="张三",
        email="zhang@example.com",
        phone="+8613800000000",
    )
    ((kind, to, token),) = await letters(owner, keys, brand)
    assert (kind, to) == ("application-received", "zhang@example.com")
    shown = await application.look(token=token)
    assert (shown.brand_name, shown.name, shown.state, shown.reason) == (brand.name, "小店", "waiting", None)
    records = await books.seen(brand, "SELECT action, role, user_id FROM audit_record WHERE subject = $1 ORDER BY id", str(made))
    assert records == [("application.submit", "applicant", None), ("application.read", "manager", actor.user_id)]


async def test_what_is_sealed_is_nowhere_in_the_clear(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    made = await desk.applied(keys, brand, current, email="canary@example.com", phone="13912345678", legal_name="金丝雀")
    await desk.approved(keys, brand, manager, made, desk.chosen("N1"))
    await identity_facts.read(keys=keys, brand_id=brand.id, reseller="N1", actor=people.actor(manager))
    for table in await books.tables(owner):
        found = await owner.fetchval(
            f"SELECT count(*) FROM {table} t WHERE t::text ~ $1", f"{desk.NUMBER}|canary@example|13912345678|金丝雀"
        )
        assert found == 0, table
    hidden = (desk.NUMBER.encode(), b"canary@example", "金丝雀".encode())
    for table, column in (("application", "facts_cipher"), ("reseller_identity", "facts_cipher"), ("letter", "values_cipher")):
        for row in await owner.fetch(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
            assert not [each for each in hidden if each in row[0]], table


FAULTS: dict[str, dict[str, Any]] = {
    "kind": {"kind": "club"},
    "name": {"name": " "},
    "legal_name": {"legal_name": "x" * 81},
    "document": {"document": "cn-uscc"},
    "number": {"number": "110105194912310021"},
    "contact_name": {"contact_name": "a\tb"},
    "email": {"email": "zhang"},
    "phone": {"phone": "12345"},
    "channels": {"channels": ("nowhere",)},
    "invited_by": {"invited_by": "R 1"},
    "agreed": {"agreed": False},
}


@pytest.mark.parametrize("field", FAULTS)
async def test_what_cannot_be_so_is_named_and_nothing_is_written(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, field: str
) -> None:
    before = await books.everything(owner)
    with pytest.raises(application.ApplicationUnfitError) as refusal:
        await desk.applied(keys, brand, current, **FAULTS[field])
    assert set(refusal.value.fields) == (
        {"kind", "document", "number"} if field == "kind" else {"document", "number"} if field == "document" else {field}
    )
    assert await books.everything(owner) == before


async def test_an_agreement_that_was_not_shown_is_not_agreed_to(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement
) -> None:
    await desk.agreed(brand, text_en="2\nStill free.")
    before = await books.everything(owner)
    with pytest.raises(agreement.AgreementChangedError):
        await desk.applied(keys, brand, current)
    assert await books.everything(owner) == before


async def test_without_an_agreement_nobody_can_apply(owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand) -> None:
    later = await desk.agreed(brand, effective_on=desk.DAY + dt.timedelta(days=1))
    before = await books.everything(owner)
    with pytest.raises(application.NotOpenError):
        await desk.applied(keys, brand, later)
    assert await books.everything(owner) == before


async def test_who_applies_again_is_answered_as_the_first_and_marked_for_the_brand(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    first = await desk.applied(keys, brand, current)
    second = await desk.applied(keys, brand, current, email="other@example.com")
    assert [(each.id, each.state) for each in await application.listing(brand_id=brand.id, states=("waiting", "repeated"))] == [
        (first, "waiting"), (second, "repeated"),
    ]  # fmt: skip
    sent = await letters(owner, keys, brand)
    assert [(kind, to) for kind, to, _ in sent] == [
        ("application-received", "zhang@example.com"), ("application-received", "other@example.com"),
    ]  # fmt: skip
    assert [(await application.look(token=token)).state for _, _, token in sent] == ["waiting", "waiting"]
    before = await books.everything(owner)
    with pytest.raises(admission.FirstWaitsError):
        await desk.approved(keys, brand, manager, second, desk.chosen("N2"))
    assert await books.everything(owner) == before
    await admission.reject(
        keys=keys, brand=brand, application_id=first, reason="另一份申请为准", actor=people.actor(manager), now=desk.NOW
    )
    await desk.approved(keys, brand, manager, second, desk.chosen("N2"))
    assert (await application.read(brand_id=brand.id, application_id=second)).same == 1


async def test_two_of_one_person_at_once_leave_one_that_waits(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement
) -> None:
    await asyncio.gather(*(desk.applied(keys, brand, current) for _ in range(3)))
    states = [each.state for each in await application.listing(brand_id=brand.id, states=("waiting", "repeated"))]
    assert sorted(states) == ["repeated", "repeated", "waiting"]


async def test_the_approval_makes_a_reseller_with_all_that_belongs_to_it(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    made = await desk.applied(keys, brand, current)
    await desk.approved(
        keys, brand, manager, made, desk.chosen("N1", tier="base", parent="R3", joined_on=desk.DAY + dt.timedelta(days=3))
    )
    known = identity_facts.fingerprint(keys, brand.id, "cn-id", desk.NUMBER)
    reseller = "SELECT name, kind, parent, tier, joined_on, identity FROM reseller WHERE code = 'N1'"
    assert await books.seen(brand, reseller) == [("小店", "individual", "R3", "base", dt.date(2026, 11, 25), known.hex())]
    assert await books.seen(brand, "SELECT channel, starts_on, ends_on FROM reseller_channel WHERE reseller = 'N1'") == [
        ("web", dt.date(2026, 11, 25), None)
    ]
    agreed = (
        "SELECT number, sha256, accepted_at, accepted_by, application, address FROM agreement_acceptance WHERE reseller = 'N1'"
    )
    assert await books.seen(brand, agreed) == [(1, current.sha256, desk.NOW, None, made, "198.51.100.7")]
    assert await books.seen(brand, "SELECT identity_hash, application FROM reseller_identity WHERE reseller = 'N1'") == [
        (known, made)
    ]
    assert (
        await identity_facts.read(keys=keys, brand_id=brand.id, reseller="N1", actor=people.actor(manager))
    ).number == desk.NUMBER
    invited = "SELECT role, reseller, invited_by, accepted_at FROM invitation WHERE reseller = 'N1'"
    assert await books.seen(brand, invited) == [("admin", "N1", manager.user_id, None)]
    found = await application.read(brand_id=brand.id, application_id=made)
    assert (found.state, found.decided_by, found.decided_at, found.reseller) == ("approved", manager.user_id, desk.NOW, "N1")
    kinds = sorted(kind for kind, to, _ in await letters(owner, keys, brand) if to == "zhang@example.com")
    assert kinds == ["application-approved", "application-received", "invitation"]
    decided = "SELECT before, after FROM audit_record WHERE action = 'application.decide' AND subject = $1"
    ((before, after),) = await books.seen(brand, decided, str(made))
    assert msgspec.json.decode(before) == {"state": "waiting"}
    assert msgspec.json.decode(after) == {"state": "approved", "reason": None, "reseller": "N1", "fee_minor": 0}


async def test_an_identity_of_the_brands_own_making_is_kept_instead(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    made = await desk.applied(keys, brand, current)
    await desk.approved(keys, brand, manager, made, desk.chosen("N1", identity="sha1:77"))
    assert await books.seen(brand, "SELECT identity FROM reseller WHERE code = 'N1'") == [("sha1:77",)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"code": "R1"}, resellers.CodeTakenError),
        ({"code": "a b"}, resellers.ResellerUnfitError),
        ({"name": ""}, resellers.ResellerUnfitError),
        ({"tier": "none"}, resellers.ResellerUnfitError),
        ({"channels": ()}, resellers.ResellerUnfitError),
        ({"channels": ("web", "none")}, resellers.ResellerUnfitError),
        ({"joined_on": desk.DAY - dt.timedelta(days=1)}, resellers.ResellerUnfitError),
        ({"joined_on": desk.DAY + dt.timedelta(days=91)}, resellers.ResellerUnfitError),
        ({"parent": "nobody"}, placement.ParentUnknownError),
        ({"parent": "R2"}, placement.DepthExceededError),
    ],
)
async def test_a_place_that_cannot_be_is_refused_and_nothing_is_made(
    owner: asyncpg.Connection,
    keys: crypto.Keys,
    brand: Brand,
    current: agreement.Agreement,
    manager: permissions.Principal,
    changes: dict[str, object],
    refusal: type[RefusedError],
) -> None:
    made = await desk.applied(keys, brand, current)
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await desk.approved(keys, brand, manager, made, desk.chosen(**{"code": "N1", **changes}))  # type: ignore[arg-type]
    after = await books.everything(owner)
    kept = {"audit_record"} if refusal is placement.DepthExceededError else set()
    assert {name for name in after if after[name] != before[name]} == kept
    tried = "SELECT subject, after ->> 'code', user_id FROM audit_record WHERE action = 'compliance.refused'"
    assert await books.seen(brand, tried) == ([("network.join/N1", "network.depth_exceeded", manager.user_id)] if kept else [])


async def test_two_who_approve_at_once_make_one_reseller(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    made, other = await desk.applied(keys, brand, current), await people.member(keys, brand.id, "manager")
    ends = await asyncio.gather(
        desk.approved(keys, brand, manager, made, desk.chosen("N1")),
        desk.approved(keys, brand, other, made, desk.chosen("N2")),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["ApplicationStateError", "NoneType"]
    assert await books.seen(brand, "SELECT count(*) FROM reseller WHERE code IN ('N1', 'N2')") == [(1,)]


async def test_a_rejection_has_a_reason_and_stands(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    made, actor = await desk.applied(keys, brand, current), people.actor(manager)
    before = await books.everything(owner)
    with pytest.raises(standing.ReasonMissingError):
        await admission.reject(keys=keys, brand=brand, application_id=made, reason=" ", actor=actor, now=desk.NOW)
    assert await books.everything(owner) == before
    await admission.reject(keys=keys, brand=brand, application_id=made, reason="资料不全", actor=actor, now=desk.NOW)
    sent = await letters(owner, keys, brand)
    assert sorted((kind, to) for kind, to, _ in sent) == [
        ("application-received", "zhang@example.com"),
        ("application-rejected", "zhang@example.com"),
    ]
    (token,) = {token for _, _, token in sent}
    shown = await application.look(token=token)
    assert (shown.state, shown.reason, shown.reseller) == ("rejected", "资料不全", None)
    before = await books.everything(owner)
    with pytest.raises(admission.ApplicationStateError):
        await desk.approved(keys, brand, manager, made, desk.chosen("N1"))
    assert await books.everything(owner) == before


async def test_a_reseller_of_the_same_person_is_shown_with_the_next_application(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    await desk.approved(keys, brand, manager, await desk.applied(keys, brand, current), desk.chosen("N1"))
    again = await desk.applied(keys, brand, current)
    found = await application.read(brand_id=brand.id, application_id=again)
    assert (found.state, found.existing, found.same) == ("waiting", ("N1",), 1)


@pytest.mark.parametrize("token", ["", "x", "AAAA.BBBB", "\0", "é" * 40, "A" * 22 + ".", "AZ" * 11])
async def test_a_link_that_is_none_leads_nowhere(brand: Brand, token: str) -> None:
    assert brand
    with pytest.raises(application.ApplicationUnknownError):
        await application.look(token=token)


async def test_a_link_of_another_brand_leads_nowhere(keys: crypto.Keys, brand: Brand, current: agreement.Agreement) -> None:
    made: uuid.UUID = await desk.applied(keys, brand, current)
    place, _, secret = application.token(keys, brand.id, made).partition(".")
    other = application.token(keys, made, made).partition(".")[0]
    assert (await application.look(token=f"{place}.{secret}")).name == "小店"
    with pytest.raises(application.ApplicationUnknownError):
        await application.look(token=f"{other}.{secret}")


async def test_fingerprints_are_of_a_brand(keys: crypto.Keys, brand: Brand) -> None:
    own = identity_facts.fingerprint(keys, brand.id, "cn-id", document_number.normalised("11010519491231002x"))
    assert own == identity_facts.fingerprint(keys, brand.id, "cn-id", desk.NUMBER)
    assert own != identity_facts.fingerprint(keys, brand.id, "other", desk.NUMBER)
