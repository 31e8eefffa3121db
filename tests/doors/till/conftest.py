"""A web process, as for the account's pages."""

from tests.doors.account.conftest import house

__all__ = ["house"]
