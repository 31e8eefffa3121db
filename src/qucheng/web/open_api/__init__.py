"""Doors of machines: /api/v1."""

from __future__ import annotations

from qucheng.web.open_api import reference

ROUTES = (*reference.OPERATIONS, reference.description, reference.docs)
