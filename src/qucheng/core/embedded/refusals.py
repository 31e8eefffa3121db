"""Why a server of ours is not there. All of it is said to the person at the command line, none of it to a visitor."""

from typing import ClassVar

from qucheng.core import errors


class BinariesMissingError(errors.RefusedError):
    """The wheels of the group `local` are not installed, as in a production image, and no server was named."""

    code: ClassVar[str] = "server_not_named"


class ForeignFolderError(errors.RefusedError):
    """The folder was made by another user of this machine."""

    code: ClassVar[str] = "folder_of_another_user"


class NoAccountError(errors.RefusedError):
    """Root finds no account to lend the servers to."""

    code: ClassVar[str] = "no_account_for_servers"


class LockedError(errors.RefusedError):
    """Another process has been starting or stopping the same server for too long."""

    code: ClassVar[str] = "server_locked"


class StartError(errors.RefusedError):
    """The server did not come up; the message holds the end of its log."""

    code: ClassVar[str] = "server_not_started"


class StopError(errors.RefusedError):
    """The server did not stop in time."""

    code: ClassVar[str] = "server_not_stopped"
