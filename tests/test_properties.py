"""Any bundle settles as the model of the specification says, and the books add up whoever wrote them.

QUCHENG_EXAMPLES is the number of bundles that the long tests try; the others try a few.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests import product
from tests.model import Result, checks, periods, reading, settle
from tests.model.strategies import Bundle, bundles, table

if TYPE_CHECKING:
    import random

pytestmark = pytest.mark.usefixtures("product_home")
MANY = int(os.environ.get("QUCHENG_EXAMPLES", "300"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
few = settings(max_examples=4, deadline=None, suppress_health_check=SLOW, print_blob=True)
many = settings(max_examples=MANY, deadline=None, suppress_health_check=SLOW, print_blob=True)
modelled = settings(max_examples=60, deadline=None, suppress_health_check=SLOW, print_blob=True)

CODES = {
    *("value.missing", "value.invalid", "ref.unknown", "rule.invalid", "rule.level_exceeded", "key.conflict"),
    *("order.net_negative", "order.before_joined", "refund.before_payment", "refund.exceeds_line", "placement.before_joined"),
    *("fulfilment.before_payment", "fulfilment.exceeds_line"),
    *("network.cycle", "network.parent_joined_later", "network.depth_exceeded", "network.heads_exceeded"),
}
FLAGS = {"order.price_deviates", "order.self_purchase", "order.capped"}


def tell(bundle: Bundle) -> None:
    note(f"through {bundle.through}")
    for name, text in bundle.files.items():
        note(f"--- {name}\n{text}")


def compare(bundle: Bundle) -> None:
    """The product's files are the model's, byte for byte, and hold by themselves."""
    tell(bundle)
    with tempfile.TemporaryDirectory() as folder:
        source, out = bundle.write(Path(folder) / "bundle"), Path(folder) / "out"
        want = settle(source, bundle.through)
        run = product.settle(source, bundle.through, out)
        assert run.status == (3 if want.rejected else 0), run.stderr
        checks.same_as_the_model(out, want)
        checks.all_of(out, want, source, bundle.through, run.counts)


def modelled_files(bundle: Bundle, folder: Path) -> tuple[Result, Path, Path]:
    source = bundle.write(folder / "bundle")
    result = settle(source, bundle.through)
    return result, source, checks.keep(result, folder / "out")


def of_model(bundle: Bundle) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return settle(bundle.write(Path(folder)), bundle.through)


@given(bundles())
@few
def test_the_product_settles_as_the_model(bundle: Bundle) -> None:
    compare(bundle)


@given(bundles(tidy=True))
@few
def test_the_product_settles_tidy_bundles_as_the_model(bundle: Bundle) -> None:
    compare(bundle)


@pytest.mark.long
@given(st.one_of(bundles(), bundles(tidy=True)))
@many
def test_the_product_settles_many_bundles_as_the_model(bundle: Bundle) -> None:
    compare(bundle)


@given(bundles(tidy=True))
@few
def test_a_second_run_writes_the_same_bytes(bundle: Bundle) -> None:
    tell(bundle)
    with tempfile.TemporaryDirectory() as folder:
        source = bundle.write(Path(folder) / "bundle")
        outs = [Path(folder) / name for name in ("first", "second")]
        for out in outs:
            product.settle(source, bundle.through, out)
        for name in checks.FILES:
            first, second = ((out / f"{name}.csv").read_bytes() for out in outs)
            assert first == second


@given(bundles())
@modelled
def test_the_books_of_the_model_add_up(bundle: Bundle) -> None:
    tell(bundle)
    with tempfile.TemporaryDirectory() as folder:
        result, source, out = modelled_files(bundle, Path(folder))
        refused = Counter(file for file, _, _ in result.rejected)
        counts = {
            f"{name}.csv": (read, read - same - refused[f"{name}.csv"], same, refused[f"{name}.csv"])
            for name, read in result.rows.items()
            for same in (result.duplicates.get(name, 0),)
        }
        checks.all_of(out, result, source, bundle.through, counts)


@given(bundles())
@modelled
def test_what_is_settled_never_changes(bundle: Bundle) -> None:
    """Settled one period further, the books only get longer."""
    tell(bundle)
    before = of_model(bundle)
    after = of_model(replace(bundle, through=str(periods.parse(bundle.through).next)))
    assert after.statements_csv.startswith(before.statements_csv)
    assert after.entries_csv.startswith(before.entries_csv)
    assert after.journal_csv.startswith(before.journal_csv)
    assert after.rejected == before.rejected
    assert after.flags == before.flags


@given(bundles(tidy=True), st.randoms(use_true_random=False))
@modelled
def test_the_order_of_rows_does_not_matter(bundle: Bundle, chances: random.Random) -> None:
    """Where no key occurs twice; the rows are also written in another form."""
    tell(bundle)
    files = dict(bundle.files)
    with tempfile.TemporaryDirectory() as folder:
        source = bundle.write(Path(folder))
        for name in reading.COLUMNS:
            if f"{name}.csv" in files:
                lines = [list(raw.fields.values()) for raw in reading.read(source, name)]
                chances.shuffle(lines)
                files[f"{name}.csv"] = "\ufeff" + table(
                    " ".join(reading.COLUMNS[name]).split(), lines, quoting=True, ending="\r\n"
                )
    one, other = of_model(bundle), of_model(replace(bundle, files=files))
    assert other.statements_csv == one.statements_csv
    assert other.entries_csv == one.entries_csv
    assert other.journal_csv == one.journal_csv
    assert Counter(code for _, _, code in other.rejected) == Counter(code for _, _, code in one.rejected)


def test_generated_bundles_reach_every_corner() -> None:
    reached: Counter[str] = Counter()

    @given(bundles())
    @settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
    def collect(bundle: Bundle) -> None:
        result = of_model(bundle)
        reached.update(code for _, _, code in result.rejected + result.flags)
        reached.update(entry.kind for one in result.statements for entry in one.entries)
        reached.update(name for one in result.statements for name in ("tax", "opening", "net") if getattr(one, name) > 0)
        reached["clawback"] += sum(one.carried < 0 for one in result.statements)
        reached["duplicate"] += sum(result.duplicates.values())
        for line, refunds in result.lines:
            hold = None if line.matures_at is None else line.matures_at - line.order.paid_at
            late = hold is not None and hold != timedelta(hours=24 * result.brand.hold_days)
            reached.update({"clock": late, "clock with a refund": late and bool(refunds), "no clock": hold is None})

    collect()
    wanted = CODES | FLAGS | set(checks.KINDS) | {"tax", "opening", "net", "clawback", "duplicate"}
    wanted |= {"clock", "clock with a refund", "no clock"}
    assert {name for name in wanted if not reached[name]} == set()
