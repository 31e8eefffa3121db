"""qucheng keys: a new key for what is stored encrypted, what the old ones still hold, and letting them go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import cyclopts

from qucheng.core import audit, crypto, platform, settings
from qucheng.stock import key_rotation

if TYPE_CHECKING:
    from pathlib import Path

app = cyclopts.App(
    name="keys", help="The keys of what is stored encrypted: a new one, what each still holds, and the end of an old one."
)


@app.command
def rotate() -> None:
    """Add a key that seals from now on, and have all that older ones hold sealed anew by the workers. Nothing needs to be started again."""
    folder = _folder()
    number = asyncio.run(_rotate(folder))
    print(f"key {number} seals from now on; the workers seal anew what older keys hold")
    print(f"copy {folder / crypto.RING} to every machine of this installation, and to a safe place apart from the backups")


@app.command
def status() -> None:
    """Which keys there are, and how many values each of them still holds."""
    ring = crypto.keys(_folder())
    held = asyncio.run(_status())
    for number in ring.numbers:
        places = ", ".join(f"{each.count} in {each.place}" for each in held if each.key == number)
        print(f"key {number}{' (seals)' if number == ring.current else ''}: {places or 'holds nothing'}")


@app.command
def retire(number: int) -> None:
    """Remove an old key from the ring. Refused while anything stored needs it."""
    asyncio.run(_retire(_folder(), number))
    print(f"key {number} is gone; what it once sealed in old backups opens with a copy of the ring of their day")


def _folder() -> Path:
    folder = settings.load().var / "keys"
    if not crypto.there(folder):
        raise crypto.KeysUnusableError(f"{folder} has no ring of keys: qucheng keyring make.")
    return folder


async def _rotate(folder: Path) -> int:
    async with platform.entered(settings.load()):
        return await key_rotation.rotate(folder=folder, actor=audit.SYSTEM)


async def _status() -> list[key_rotation.Held]:
    async with platform.entered(settings.load()):
        return await key_rotation.status()


async def _retire(folder: Path, number: int) -> None:
    async with platform.entered(settings.load()):
        await key_rotation.retire(folder=folder, number=number, actor=audit.SYSTEM)
