"""A web process and a guest, as for the account's pages."""

from tests.doors.account.conftest import guest, house

__all__ = ["guest", "house"]
