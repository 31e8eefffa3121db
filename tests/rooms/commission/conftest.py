"""The keys of an installation."""

from __future__ import annotations

import pytest

from qucheng.core import crypto


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))
