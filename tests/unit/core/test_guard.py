import socket

import pytest


def test_nothing_outside_this_machine_can_be_reached() -> None:
    with socket.socket() as outside, pytest.raises(RuntimeError, match=r"a test may not connect to 192\.0\.2\.1"):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match=r"a test may not look up shop\.example"):
        socket.getaddrinfo("shop.example", 443)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, pytest.raises(RuntimeError, match="a test may not connect"):
        outside.sendto(b"x", ("192.0.2.1", 53))


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"
