"""A plan that is changed on the platform settles, to the byte, as a bundle whose rules have those dates: by the model's own reckoning.

The model knows nothing of versions: it is given each rule with the days on which it counted.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.model import settle
from tests.rooms.commission import plan_desk

from qucheng.bundle import books as written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rooms.commission.plan_desk import Desk

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

THROUGH = "2101-06"
TIERS = ["gold,金牌,1", "base,普通,2"]
CHANNELS = ["web,网店,agency", "tv,电视,agency"]
SKUS = ["card,会员月卡,video,100.00,10.00", "cup,杯子,goods,30.00,1.00"]
RESELLERS = ["R0,零号,company,,gold,2026-01-01,", "R1,一号,company,R0,base,2026-01-01,", "R2,二号,company,R1,gold,2026-01-01,"]
FIRST = [
    ["OWN", "percent", "1", "", "", "", "", "net", "0.1", "0", "", ""],
    ["VOL", "graduated", "", "", "", "", "", "net", "0:0;500:0.02", "0", "", ""],
]
DAYS = [dt.date(2101, month, day) for month, day in ((1, 1), (1, 20), (2, 1), (3, 15), (4, 1))]
NAMES = ("code", "kind", "level", "sku", "category", "channel", "tier", "basis", "rate", "priority", "starts_on", "ends_on")
CODE, RATE, STARTS, ENDS = (NAMES.index(name) for name in ("code", "rate", "starts_on", "ends_on"))


def fresh(chance: random.Random, code: str) -> list[str]:
    """A rule that the linter lets pass together with a few others."""
    kind, basis, rate = chance.choice(
        [
            ("percent", chance.choice(["net", "gross", "margin"]), f"0.0{chance.randrange(1, 9)}5"),
            ("per_unit", "unit", f"0.{chance.randrange(1, 9)}3"),
            ("slab", "net", f"0:0.0{chance.randrange(3)};300:0.03"),
            ("graduated", "unit", "0:0.10;20:0.35"),
        ]
    )
    level = "" if kind in {"slab", "graduated"} else chance.choice(["1", "2", "3"])
    filters = [chance.choice(["", "", "card"]), "", chance.choice(["", "web"]), chance.choice(["", "gold", "base"])]
    return [code, kind, level, *filters, basis, rate, str(chance.randrange(3)), "", ""]


def orders(chance: random.Random) -> tuple[list[str], list[str]]:
    sold, back = [], []
    for number in range(60):
        paid = dt.datetime(2100, 12, 1, tzinfo=dt.UTC) + dt.timedelta(days=chance.randrange(150), hours=chance.randrange(24))
        sku, price = chance.choice([("card", 100), ("cup", 30)])
        quantity, off = chance.randrange(1, 9), chance.randrange(3)
        seller, channel = chance.choice(["R0", "R1", "R2"]), chance.choice(["web", "tv"])
        sold.append(
            f"O{number:02},1,{paid:%Y-%m-%dT%H:%M:%S},{seller},{channel},{sku},{quantity},{price * quantity}.00,{off}.50,"
        )
        if chance.random() < 0.3:
            when = paid + dt.timedelta(days=chance.randrange(60))
            back.append(f"F{number:02},O{number:02},1,{when:%Y-%m-%dT%H:%M:%S},1,{price - 5}.{chance.randrange(10)}7")
    return sold, back


async def publish(desk: Desk, chance: random.Random, plan: list[list[str]], day: dt.date) -> list[list[str]]:
    """Changes some of the plan on that day, here and in the list of dated rules, which is returned."""
    number = await desk.open()
    standing = [rule for rule in plan if not rule[ENDS]]
    changed = chance.choice(standing)
    lower = [*changed[:CODE], f"{changed[CODE]}-{day:%m%d}", *changed[CODE + 1 :]]
    if changed[NAMES.index("kind")] == "percent":
        lower[RATE] = f"0.0{chance.randrange(1, 9)}"
    lower[NAMES.index("priority")] = str(int(changed[NAMES.index("priority")]) + 1 + chance.randrange(2))
    await desk.change(number, changed[CODE], **dict(zip(NAMES, [*lower[:STARTS], "", ""], strict=True)))
    added = fresh(chance, f"N{day:%m%d}")
    await desk.add(number, **dict(zip(NAMES, added, strict=True)))
    dropped = chance.choice([rule for rule in standing if rule is not changed] or [None])
    if dropped is not None:
        await desk.drop(number, dropped[CODE])
    await desk.publish(number, day)
    ended = {changed[CODE], dropped[CODE] if dropped else ""}
    dated = [[*rule[:ENDS], str(day)] if rule[CODE] in ended else rule for rule in plan]
    return [*dated, *([*rule[:STARTS], str(day), ""] for rule in (lower, added))]


@pytest.mark.parametrize("seed", range(6))
async def test_versions_settle_as_dated_rules(seed: int, tmp_path: Path, keys: crypto.Keys) -> None:
    chance = random.Random(seed)
    tables = {"tiers": TIERS, "channels": CHANNELS, "skus": SKUS, "resellers": RESELLERS}
    desk = await plan_desk.opened(
        tmp_path, keys, compliance=books.INTL, **tables, rules=[",".join(rule) for rule in FIRST], orders=[]
    )
    plan = FIRST
    for day in sorted(chance.sample(DAYS, 3)):
        plan = await publish(desk, chance, plan, day)
    sold, back = orders(chance)
    await desk.bring(orders=sold, refunds=back)
    await books.settle_through(desk.brand, THROUGH)
    same = books.write(
        tmp_path / "same",
        code=desk.brand.code,
        compliance=books.INTL,
        settlement="hold_days = 0",
        **tables,
        rules=[",".join(rule) for rule in plan],
        orders=sold,
        refunds=back,
    )
    want = settle(same, THROUGH)
    assert want.rejected == []
    out = tmp_path / "out"
    out.mkdir()
    await written.write(brand=desk.brand, out=out)
    assert (out / "entries.csv").read_bytes() == want.entries_csv
    assert (out / "statements.csv").read_bytes() == want.statements_csv
    assert want.entries_csv.count(b"\n") > 30
    used = {line.split(b",")[8] for line in want.entries_csv.splitlines()[1:]}
    assert len(used & {rule[CODE].encode() for rule in plan if rule[STARTS]}) > 0
