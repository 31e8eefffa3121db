"""A port of 127.0.0.1 for a server that keeps it."""

import secrets
import socket

# below the ports that systems hand out to outgoing connections, so that a stopped server finds its own again
_FIRST, _COUNT = 20_000, 10_000


def choose(remembered: int | None) -> int:
    if remembered is not None and free(remembered):
        return remembered
    for _ in range(200):
        port = _FIRST + secrets.randbelow(_COUNT)
        if free(port):
            return port
    raise OSError("no free port on 127.0.0.1")


def free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
