"""SKUs: what is sold. Bundles bring them, and people of the brand add them and change what is said of them.

Who changes one says which revision they saw; somebody else's change in between is never written over.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import asyncpg
import msgspec

from qucheng.catalog import queries, rules, writing
from qucheng.core import audit, db, errors
from qucheng.network import attempt

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Sequence

SkuUnknownError = queries.SkuUnknownError
MOST_AT_ONCE = 5000
UNSET = msgspec.UNSET
# the name under which a refused text is kept
TEXT = "sku.text"
RACED = frozenset({"sku_part_shares", "sku_part_flat"})


class SkuStaleError(errors.RefusedError):
    """It was changed since it was seen. current: as it is now."""

    code: ClassVar[str] = "sku.stale"

    def __init__(self, current: queries.Sku) -> None:
        super().__init__(f"{current.code} was changed meanwhile: it is at revision {current.revision}.")
        self.current = current


class SkuTakenError(errors.RefusedError):
    """There is a SKU of this code."""

    code: ClassVar[str] = "sku.taken"


class SkuUnfitError(errors.RefusedError):
    """faults: all that is wrong with what was said."""

    code: ClassVar[str] = "sku.unfit"
    status: ClassVar[int] = 422

    def __init__(self, faults: Sequence[rules.Fault]) -> None:
        super().__init__("This can't be said of a SKU: " + ", ".join(f"{fault.field} ({fault.code})" for fault in faults))
        self.faults = list(faults)


class SkuPromiseError(SkuUnfitError):
    """Among what is wrong is a promise of income: who tried it is kept."""

    code: ClassVar[str] = rules.PROMISE


class NotKeptError(Exception):
    """Ends the transaction of what was checked and is not to be kept."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a SKU from now on; UNSET stays."""

    name: str | msgspec.UnsetType = UNSET
    category: str | msgspec.UnsetType = UNSET
    list_price_minor: int | msgspec.UnsetType = UNSET
    kind: rules.Kind | msgspec.UnsetType = UNSET
    face_value_minor: int | msgspec.UnsetType | None = UNSET
    valid_days: int | msgspec.UnsetType | None = UNSET
    valid_until: dt.date | msgspec.UnsetType | None = UNSET
    rules_zh: str | msgspec.UnsetType | None = UNSET
    rules_en: str | msgspec.UnsetType | None = UNSET
    hold_from: rules.HoldFrom | msgspec.UnsetType = UNSET
    on_sale: bool | msgspec.UnsetType = UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = UNSET
    parts: tuple[rules.Part, ...] | msgspec.UnsetType = UNSET

    def of(self, facts: rules.Facts) -> rules.Facts:
        """The facts with these changes in them."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return msgspec.structs.replace(facts, **{name: value for name, value in given.items() if value is not UNSET})


async def add(*, staged: str) -> None:
    await db.connection().execute(f"""
        INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor, hold_from)
        SELECT current_brand(), code, name, category, list_price_minor, cost_minor, hold_from FROM {staged} WHERE fault IS NULL""")


@contextlib.contextmanager
def meanwhile() -> Iterator[None]:
    """Around the transaction: what another one made of the same packages in the meantime is found when it ends."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name not in RACED:
            raise
        raise SkuUnfitError([rules.Fault("parts", "parts.meanwhile")]) from None


async def create(
    *, brand_id: uuid.UUID, code: str, facts: rules.Facts, cost_minor: int, actor: audit.Actor, now: dt.datetime
) -> None:
    """Raises SkuUnfitError with all faults, and SkuTakenError."""
    del now  # the trail has its own
    with meanwhile():
        async with attempt.kept(brand_id=brand_id, what=TEXT, subject=code, actor=actor):
            await _create(brand_id, code, facts, cost_minor, actor)


async def _create(brand_id: uuid.UUID, code: str, facts: rules.Facts, cost_minor: int, actor: audit.Actor) -> None:
    async with db.atomic(brand_id):
        faults = [] if rules.is_code(code) else [rules.Fault("code", "code.invalid")]
        if not 0 <= cost_minor < rules.MOST_MINOR:
            faults.append(rules.Fault("cost", "amount.invalid"))
        await _require_fit(brand_id, code, facts, faults)
        new = addition(code, facts, cost_minor)
        if not await writing.add([new]):
            raise SkuTakenError(f"There is a SKU {code} already.")
        await writing.record("sku.create", [new], actor=actor)


async def change(
    *,
    brand_id: uuid.UUID,
    code: str,
    seen: int | None,
    changes: Changes,
    actor: audit.Actor,
    now: dt.datetime,
    keep: bool = True,
    around: contextlib.AbstractAsyncContextManager[None] | None = None,
) -> int:
    """Returns the revision it has now: the one that was seen where nothing is new. seen: None for whichever there is.

    keep: without it, everything is checked and nothing stays. around: what else looks at it, in the same transaction. Raises SkuUnknownError, SkuStaleError and SkuUnfitError.
    """
    with contextlib.suppress(NotKeptError), meanwhile():
        async with attempt.kept(brand_id=brand_id, what=TEXT, subject=code, actor=actor), db.atomic(brand_id):
            async with around or contextlib.nullcontext():
                revision = await _change(brand_id, code, seen, changes, actor, now)
            if not keep:
                await _undo()
    return revision


async def _undo() -> NoReturn:
    """What is looked at when a transaction ends is looked at now."""
    await db.connection().execute("SET CONSTRAINTS ALL IMMEDIATE")
    raise NotKeptError


async def _change(
    brand_id: uuid.UUID, code: str, seen: int | None, changes: Changes, actor: audit.Actor, now: dt.datetime
) -> int:
    found = await queries.whole(brand_id=brand_id, codes=[code], locked=True) if "\0" not in code else {}
    if code not in found:
        raise SkuUnknownError(f"There is no SKU {code}.")
    if seen is not None and found[code].revision != seen:
        raise SkuStaleError(await queries.sku(brand_id=brand_id, code=code))
    wanted = changes.of(found[code].facts())
    await _require_fit(brand_id, code, wanted, [])
    changed = difference(found[code], wanted)
    if changed is None:
        return found[code].revision
    revisions = await writing.change([changed], now=now)
    await writing.record("sku.change", [changed], actor=actor)
    return revisions[code]


async def _require_fit(brand_id: uuid.UUID, code: str, facts: rules.Facts, faults: list[rules.Fault]) -> None:
    found = [*faults, *rules.faults(facts), *(await faults_of_parts(brand_id=brand_id, wanted={code: facts})).get(code, [])]
    if found:
        raise (SkuPromiseError if any(each.code == rules.PROMISE for each in found) else SkuUnfitError)(found)


async def faults_of_parts(*, brand_id: uuid.UUID, wanted: dict[str, rules.Facts]) -> dict[str, list[rules.Fault]]:
    """By SKU, what other SKUs say against it: parts that are not there or are packages, and a package that is a part itself.

    wanted: as they will be, all that are written together.
    """
    packages = {code: facts for code, facts in wanted.items() if facts.kind == "package"}
    if not packages:
        return {}
    kinds = await _kinds(brand_id, {part.sku for facts in packages.values() for part in facts.parts})
    kinds |= {code: facts.kind for code, facts in wanted.items()}
    inside = await _inside(brand_id, packages, but=wanted) | {part.sku for facts in wanted.values() for part in facts.parts}
    found: dict[str, list[rules.Fault]] = {}
    for code, facts in packages.items():
        faults = [
            rules.Fault("parts", "part.unknown" if part.sku not in kinds else "part.package", place)
            for place, part in enumerate(facts.parts)
            if kinds.get(part.sku, "package") == "package"
        ]
        found[code] = faults + ([rules.Fault("kind", "kind.is_part")] if code in inside else [])
    return {code: faults for code, faults in found.items() if faults}


async def _kinds(brand_id: uuid.UUID, codes: Iterable[str]) -> dict[str, rules.Kind]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT code, kind FROM sku WHERE code = ANY ($1)", [code for code in codes if "\0" not in code]
        )
    return {row["code"]: row["kind"] for row in rows}


async def _inside(brand_id: uuid.UUID, codes: Iterable[str], *, but: Iterable[str]) -> set[str]:
    """Those that are parts of other packages than these."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT DISTINCT part FROM sku_part WHERE part = ANY ($1) AND package <> ALL ($2)", list(codes), list(but)
        )
    return {row["part"] for row in rows}


def addition(code: str, facts: rules.Facts, cost_minor: int) -> writing.Change:
    columns = {name: getattr(facts, name) for name in writing.COLUMNS} | {"cost_minor": cost_minor}
    said = msgspec.to_builtins(
        columns | ({"tags": facts.tags} if facts.tags else {}) | ({"parts": facts.parts} if facts.parts else {})
    )
    after = {name: value for name, value in said.items() if value is not None}
    return writing.Change(code=code, columns=columns, tags=facts.tags, parts=facts.parts, after=after)


def difference(current: queries.Sku, wanted: rules.Facts) -> writing.Change | None:
    """What is to be written; None where nothing is new."""
    facts = current.facts()
    parts = tuple(sorted(wanted.parts)), tuple(sorted(facts.parts))
    tags = tuple(sorted(set(wanted.tags))), tuple(sorted(facts.tags))
    named = {name: getattr(wanted, name) for name in writing.COLUMNS if getattr(wanted, name) != getattr(facts, name)}
    others = {name: pair for name, pair in (("tags", tags), ("parts", parts)) if pair[0] != pair[1]}
    if not named and not others:
        return None
    before: dict[str, Any] = {name: getattr(facts, name) for name in named} | {name: pair[1] for name, pair in others.items()}
    after: dict[str, Any] = named | {name: pair[0] for name, pair in others.items()}
    return writing.Change(
        code=current.code,
        columns=named,
        tags=tags[0] if "tags" in others else None,
        parts=parts[0] if "parts" in others else None,
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
    )
