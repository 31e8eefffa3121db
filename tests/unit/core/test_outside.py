"""Which addresses of pages are sent to: none that is not of the public internet, however it is written."""

from __future__ import annotations

import pytest

from qucheng.core import outside

HOME = ("127.0.0.0/8",)
REFUSED = (
    "",
    "hooks.example.com/x",
    "//hooks.example.com/x",
    "http://hooks.example.com/x",
    "ftp://hooks.example.com/x",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "https://",
    "https:///x",
    "https://hooks.example.com:80/x",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:x/",
    "https://user@hooks.example.com/",
    "https://user:word@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com/with space",
    "https://hooks.example.com/\r\nx: y",
    "https://hooks.example.com/\N{CJK UNIFIED IDEOGRAPH-6E20}",
    "https://\N{FULLWIDTH DIGIT ONE}27.0.0.1/",
    "https://localhost/",
    "https://intranet/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127%2e0.0.1/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://hooks..example.com/",
    "https://-hooks.example.com/",
    f"https://hooks.example.com/{'x' * 500}",
)
PRIVATE = (
    "0.0.0.0",  # noqa: S104 - refused
    *("0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::1"),
    *("100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "fe80::1%eth0", "example.com", ""),
)


@pytest.mark.parametrize("url", REFUSED)
def test_what_could_lead_inside_is_refused(url: str) -> None:
    with pytest.raises(outside.UrlRefusedError):
        outside.target(url)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_reached(address: str) -> None:
    assert not outside.may_be_reached(address, 443)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "240e::1"])
def test_a_public_address_is_reached_on_two_ports(address: str) -> None:
    assert [port for port in (22, 80, 443, 8443, 9200) if outside.may_be_reached(address, port)] == [443, 8443]


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://Hooks.Example.com.:8443/a/b?c=d", "hooks.example.com", 8443, "/a/b?c=d", "hooks.example.com:8443"),
        ("https://8.8.8.8/x", "8.8.8.8", 443, "/x", "8.8.8.8"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
        ("https://xn--fsq.example.com/", "xn--fsq.example.com", 443, "/", "xn--fsq.example.com"),
    ],
)
def test_where_it_goes(url: str, host: str, port: int, path: str, authority: str) -> None:
    found = outside.target(url)
    assert (found.host, found.port, found.path, found.authority) == (host, port, path, authority)


def test_what_is_allowed_for_development_is_allowed_and_nothing_beside_it() -> None:
    assert outside.target("https://localhost:9000/x", allowed=HOME).port == 9000
    assert outside.target("https://127.0.0.1:9000/x", allowed=HOME).host == "127.0.0.1"
    assert outside.may_be_reached("127.0.0.1", 9000, allowed=HOME)
    assert not outside.may_be_reached("10.0.0.1", 443, allowed=HOME)
    assert not outside.may_be_reached("8.8.8.8", 9000, allowed=HOME)
    with pytest.raises(outside.UrlRefusedError):
        outside.target("https://10.0.0.1/", allowed=HOME)
