"""placeholder"""
from __future__ import annotations
async def write(*, brand, out, settings, progress):
    return {}
