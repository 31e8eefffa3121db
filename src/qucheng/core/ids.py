"""Identities: UUIDv7, so that keys made one after the other lie beside each other in an index."""

from __future__ import annotations

import uuid

import uuid_utils.compat


def new_id() -> uuid.UUID:
    return uuid_utils.compat.uuid7()
