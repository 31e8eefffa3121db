import datetime as dt
import hashlib
import json

import msgspec
import pytest
from tests.unit.settlement import document_samples as samples

from qucheng.settlement import document as documents


def test_canonical_json_is_sorted_without_spaces_and_in_utf8() -> None:
    document, _ = samples.make(samples.entries(3))
    text = documents.canonical_json(document).decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert '"reseller_name":"临江优选商行"' in text
    assert '"format":"qucheng.statement/1"' in text


def test_the_json_reads_back_as_the_document() -> None:
    document, _ = samples.make(samples.entries(120))
    assert msgspec.json.decode(documents.canonical_json(document), type=documents.StatementDocument) == document


def test_the_hash_covers_every_entry_through_the_attachment() -> None:
    document, attachment = samples.make(samples.entries(150))
    assert json.loads(documents.canonical_json(document))["csv_sha256"] == hashlib.sha256(attachment).hexdigest()


def test_a_hundred_lines_are_all_shown() -> None:
    document, _ = samples.make(samples.entries(100))
    assert len(document.lines) == 100
    assert document.days_rest == ()


def test_of_more_the_largest_are_shown_in_order_of_time_and_the_rest_by_day() -> None:
    rows = samples.entries(150)
    document, _ = samples.make(rows)
    shown = [(line.date, line.order, line.kind) for line in document.lines]
    assert len(shown) == 100
    assert [line.date for line in document.lines] == sorted(line.date for line in document.lines)
    assert sum(day.count for day in document.days_rest) == 50
    smallest_shown = min(abs(line.amount) for line in document.lines)
    assert sorted((abs(row["amount"]) for row in rows), reverse=True)[99] == smallest_shown


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("opening", "payable"), ("accrued", "gross"), ("bonus", "gross"), ("adjustment", "gross"), ("gross", "gross"),
        ("payable", "payable"), ("tax", "paid"), ("net", "paid"), ("carried", "paid"),
    ],
)  # fmt: skip
def test_a_document_that_does_not_add_up_is_refused(field: str, wrong: str) -> None:
    document, attachment = samples.make(samples.entries(20))
    documents.verify(document, attachment)
    changed = msgspec.structs.replace(document, **{field: getattr(document, field) + 1})
    with pytest.raises(documents.NotProvenError, match=wrong):
        documents.verify(changed, attachment)


def test_tables_that_do_not_add_up_are_refused() -> None:
    document, attachment = samples.make(samples.entries(150))
    for field, wrong in (("lines", "lines"), ("days_rest", "lines"), ("skus", "skus")):
        with pytest.raises(documents.NotProvenError, match=wrong):
            documents.verify(msgspec.structs.replace(document, **{field: getattr(document, field)[1:]}), attachment)


def test_another_attachment_is_refused() -> None:
    document, attachment = samples.make(samples.entries(3))
    with pytest.raises(documents.NotProvenError, match="attachment"):
        documents.verify(document, attachment + b"\n")


@pytest.mark.parametrize("opening", [-10_000_000, -1])
def test_a_debt_is_carried_and_adds_up(opening: int) -> None:
    document, attachment = samples.make([], opening=opening)
    documents.verify(document, attachment)
    assert (document.payable, document.net, document.carried) == (opening, 0, opening)


def test_what_the_code_says_with_and_without_a_check_page() -> None:
    document, _ = samples.make(samples.entries(1))
    sha256 = documents.content_hash(document)
    assert documents.check_text(document, sha256, None) == f"nanyu-202603-000037 {sha256}"
    expected = f"https://pay.example/s/nanyu-202603-000037?h={sha256[:20]}"
    assert documents.check_text(document, sha256, "https://pay.example") == expected
    assert documents.check_text(document, sha256, "https://pay.example/") == expected


def test_days_long_before_the_period_are_one_row() -> None:
    assert documents.rest_from(dt.date(2026, 3, 1)) == dt.date(2026, 1, 29)
