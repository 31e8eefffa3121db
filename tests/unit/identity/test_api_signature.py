"""What a machine signs: vectors made with another program (openssl), and every part of the request that a signature holds."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from qucheng.identity import api_signature
from qucheng.identity.api_signature import Signed

SECRET = "qcs_example-secret-of-the-documentation"  # noqa: S105 - of nobody
BODY = b'{"reseller":"A02","amount":{"amount":"-12.50","currency":"CNY"},"reason":"correction","reference":"E1002"}'
POSTED = Signed(
    method="POST",
    target="/api/v1/adjustments",
    timestamp="1774944000",
    nonce="3f2a9c1b7d5e4806",
    idempotency_key="book-2026-03-31-1",
    body=BODY,
    signature="2b05d7cebffb66734636569a047f3ab88205d35d8a08007b062866af188afca6",
)
EMPTY = msgspec.structs.replace(
    POSTED,
    target="/api/v1/adjustments?trial=%E4%B8%80",
    idempotency_key="",
    body=b"",
    signature="c8d627f2f47aeaeb4d24d8e0391e1936412dac0f605639a7f1fbbb00abba8598",
)


@pytest.mark.parametrize("request_", [POSTED, EMPTY])
def test_the_vectors(request_: Signed) -> None:
    assert api_signature.sign(request_, SECRET) == request_.signature
    assert api_signature.right(request_, [SECRET])


def test_the_text() -> None:
    assert api_signature.text_to_sign(POSTED) == (
        "QC1\nPOST\n/api/v1/adjustments\n1774944000\n3f2a9c1b7d5e4806\nbook-2026-03-31-1\n"
        "105b4fa54c47c8548acda1297b80578d2807a1cded7e42e9a6b6c3c881506037"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/api/v1/adjustments?"},
        {"target": "/api/v1/adjustments/"},
        {"timestamp": "1774944001"},
        {"nonce": "3f2a9c1b7d5e4807"},
        {"idempotency_key": "book-2026-03-31-2"},
        {"body": BODY.replace(b"-12.50", b"-12.51")},
        {"body": BODY + b" "},
        {"signature": "3b05d7cebffb66734636569a047f3ab88205d35d8a08007b062866af188afca6"},
        {"signature": ""},
    ],
)
def test_whatever_is_changed_the_signature_is_not_right(change: dict[str, str]) -> None:
    assert not api_signature.right(msgspec.structs.replace(POSTED, **change), [SECRET])


def test_either_of_two_secrets_and_no_other() -> None:
    assert api_signature.right(POSTED, ["another", SECRET])
    assert api_signature.right(POSTED, [SECRET, "another"])
    assert not api_signature.right(POSTED, ["another", "third"])
    assert not api_signature.right(POSTED, [])


@pytest.mark.parametrize(
    ("seconds", "good"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (86_400, False)]
)
def test_three_hundred_seconds_either_way(seconds: int, good: bool) -> None:  # noqa: FBT001 - of the table
    now = dt.datetime.fromtimestamp(1774944000 + seconds, dt.UTC)
    assert api_signature.in_time(POSTED, now) is good


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": ""},
        {"timestamp": "-1"},
        {"timestamp": "1774944000.5"},
        {"timestamp": "１７７４９４４０００"},
        {"timestamp": "9" * 13},
        {"nonce": "short"},
        {"nonce": "n" * 65},
        {"nonce": "3f2a9c1b7d5e480 "},
        {"signature": POSTED.signature.upper()},
        {"signature": POSTED.signature[:-1]},
        {"signature": "é" * 64},
    ],
)
def test_what_is_not_even_readable(change: dict[str, str]) -> None:
    assert POSTED.readable()
    assert not msgspec.structs.replace(POSTED, **change).readable()
