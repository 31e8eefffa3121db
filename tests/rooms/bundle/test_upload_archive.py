"""ZIPs that are none, that burst, that reach outside, and those that a person's own computer makes."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import tracemalloc
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest

from qucheng.bundle import archive

if TYPE_CHECKING:
    from pathlib import Path

BRAND = ("brand.toml", b"x")


def packed(*items: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice is what some of them are about
        for name, content in items:
            file.writestr(name, content)
    return made.getvalue()


def unpacked(folder: Path, content: bytes) -> dict[str, bytes] | str:
    """What lies in the folder afterwards, or why it was refused; nothing ever lies beside it."""
    (folder / "sent").write_bytes(content)
    target = folder / "files"
    target.mkdir()
    try:
        archive.unpack(folder / "sent", target)
    except archive.ArchiveRefusedError as refusal:
        return str(refusal)
    finally:
        assert {path.name for path in folder.iterdir()} == {"sent", "files"}
        assert {path.name for path in target.iterdir()} <= archive.KNOWN
        assert not any(path.is_symlink() for path in target.iterdir())
    return {path.name: path.read_bytes() for path in target.iterdir()}


def link(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system = 3
    made.external_attr = (stat.S_IFLNK | 0o777) << 16
    return made


@pytest.mark.parametrize(
    "names",
    [["brand.toml", "orders.csv"], ["books/brand.toml", "books/orders.csv"], ["三月/brand.toml", "三月/orders.csv"]],
)
def test_a_bundle_lies_at_the_top_or_in_one_folder(tmp_path: Path, names: list[str]) -> None:
    clutter = [("__MACOSX/books/._orders.csv", b"c"), (".DS_Store", b"c")]
    found = unpacked(tmp_path, packed((names[0], b"x"), (names[1], b"y"), *clutter))
    assert found == {"brand.toml": b"x", "orders.csv": b"y"}


def test_a_folder_that_is_listed_by_itself_is_passed_over(tmp_path: Path) -> None:
    assert unpacked(tmp_path, packed(("books/", b""), ("books/brand.toml", b"x"))) == {"brand.toml": b"x"}


@pytest.mark.parametrize(
    "name",
    [
        "../orders.csv",
        "../../etc/cron.d/orders.csv",
        "/orders.csv",
        "books/../orders.csv",
        "a/b/orders.csv",
        "..\\orders.csv",
        "C:\\orders.csv",
        "./orders.csv",
        "orders.csv.exe",
        "ORDERS.CSV",
        "books.zip",
    ],
)
def test_a_name_that_is_no_file_of_a_bundle_stops_it(tmp_path: Path, name: str) -> None:
    assert "which is no file of a bundle" in str(unpacked(tmp_path, packed(BRAND, (name, b"y"))))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a ZIP"),
        (b"PK\x05\x06", "not a ZIP"),
        (b"order,line\n" * 100, "not a ZIP"),
        (packed(BRAND, ("orders.csv", b"y" * 5000))[:-60], "not a ZIP"),
        (packed(("orders.csv", b"y")), "no brand.toml"),
        (packed(BRAND, ("orders.csv", b"1"), ("orders.csv", b"2")), "orders.csv is in the ZIP twice"),
        (packed(BRAND, ("b/orders.csv", b"1")), "side by side"),
        (packed(BRAND, ("orders.csv/", b"")), "side by side"),
        (packed(BRAND, (link("orders.csv"), b"/etc/passwd")), "no ordinary file"),
        (packed(BRAND, ("orders.csv", b"y"), method=zipfile.ZIP_BZIP2), "packed in a way"),
        (packed(("brand.toml", b"x" * 70_000)), "brand.toml is far larger"),
        (packed(BRAND, ("orders.csv", bytes(20 << 20))), "200 times its size"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in str(unpacked(tmp_path, content))


def test_encrypted_is_refused(tmp_path: Path) -> None:
    content = bytearray(packed(BRAND))
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + place] |= 1
    assert "encrypted" in str(unpacked(tmp_path, bytes(content)))


def test_a_file_that_is_not_what_its_checksum_says_is_refused(tmp_path: Path) -> None:
    content = packed(BRAND, ("orders.csv", b"order,line"), method=zipfile.ZIP_STORED)
    assert "not a ZIP that can be read: BadZipFile" in str(unpacked(tmp_path, content.replace(b"order,line", b"order,lime")))


def test_a_file_that_hides_its_size_bursts_no_limit(tmp_path: Path) -> None:
    """It says that it has ten bytes and unpacks to millions."""
    content = packed(BRAND, ("orders.csv", bytes(15 << 20)))
    size = struct.pack("<I", 15 << 20)
    assert content.count(size) == 2
    found = str(unpacked(tmp_path, content.replace(size, struct.pack("<I", 10))))
    assert "BadZipFile" in found or "larger than the ZIP says" in found
    assert sum(path.stat().st_size for path in (tmp_path / "files").iterdir()) <= 1 << 20


def test_the_unpacked_size_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_UNPACKED", 100)
    assert (
        unpacked(tmp_path, packed(BRAND, ("orders.csv", b"y" * 100)))
        == "Unpacked the bundle has 101 bytes, and 100 are the most."
    )


def test_a_hundred_thousand_entries_are_not_even_listed(tmp_path: Path) -> None:
    """With a control: listed by the library they take many times the memory."""
    content = packed(BRAND, *((f"{'d' * 60}{number}", b"") for number in range(100_000)), method=zipfile.ZIP_STORED)
    (tmp_path / "sent").write_bytes(content)
    peaks = []
    for act in (
        lambda: archive.unpack(tmp_path / "sent", tmp_path / "files"),
        lambda: len(zipfile.ZipFile(tmp_path / "sent").infolist()),
    ):
        tracemalloc.start()
        with contextlib.suppress(archive.ArchiveRefusedError):
            act()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[0] < 1 << 20, peaks[1] > 20 << 20) == (True, True), peaks
    (tmp_path / "sent").rename(tmp_path / "again")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert unpacked(folder, content) == "The ZIP lists far more files than a bundle has."


def test_a_list_of_files_before_the_beginning_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    """As an error of the disk it would be tried for ever."""
    content = bytearray(packed(BRAND))
    place = content.rindex(b"PK\x05\x06") + 12
    content[place : place + 4] = struct.pack("<I", 1 << 30)
    assert "not a ZIP" in str(unpacked(tmp_path, bytes(content)))
