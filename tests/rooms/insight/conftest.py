"""The keys of an installation, and a brand with a settled month, as for the desk."""

from tests.rooms.settlement.conftest import brand, keys

__all__ = ["brand", "keys"]
