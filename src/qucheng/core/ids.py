"""Identities: UUIDv7, so that keys made one after the other lie beside each other in an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uuid_utils.compat

if TYPE_CHECKING:
    import uuid


def new_id() -> uuid.UUID:
    return uuid_utils.compat.uuid7()
