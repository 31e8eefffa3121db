from pathlib import Path

import pytest

from qucheng.core import settings


def test_without_variables_everything_is_embedded_below_the_checkout() -> None:
    current = settings.load({})
    assert (current.database_url, current.app_database_url, current.redis_url) == (None, None, None)
    assert (current.public_url, current.address) == (None, "http://127.0.0.1:8000")
    assert (current.root / "pyproject.toml").is_file()
    assert current.var == current.root / "var"


def test_variables_are_taken_and_an_empty_one_counts_as_unset() -> None:
    current = settings.load(
        {
            "DATABASE_URL": "postgresql://owner:word@db/shop",
            "APP_DATABASE_URL": "postgres://app:word@db/shop",
            "REDIS_URL": "",
            "QUCHENG_PUBLIC_URL": "https://shop.example/",
            "QUCHENG_VAR": "/srv/qucheng",
        }
    )
    assert current.database_url == "postgresql://owner:word@db/shop"
    assert current.app_database_url == "postgres://app:word@db/shop"
    assert current.redis_url is None
    assert (current.public_url, current.address) == ("https://shop.example", "https://shop.example")
    assert settings.load({"QUCHENG_LOCAL_URL": "http://127.0.0.1:8016/"}).address == "http://127.0.0.1:8016"
    assert current.var == Path("/srv/qucheng")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DATABASE_URL": "mysql://u:geheim@db/x"}, "DATABASE_URL must begin with postgresql://"),
        ({"REDIS_URL": "geheim"}, "REDIS_URL must begin with redis://"),
        ({"APP_DATABASE_URL": "postgresql://a:geheim@db/x"}, "DATABASE_URL is not"),
        ({"QUCHENG_METRICS_TOKEN": "geheim"}, "QUCHENG_METRICS_TOKEN must be 20 or more"),
        ({"QUCHENG_SMS_URL": "https://texts.example/geheim"}, "are set together"),
        ({"QUCHENG_SMS_TOKEN": "geheim-geheim"}, "are set together"),
        ({"QUCHENG_SMS_URL": "https://texts.example", "QUCHENG_SMS_TOKEN": "geheim"}, "QUCHENG_SMS_TOKEN must be 8 or more"),
        ({"QUCHENG_SMS_URL": "http://texts.example/geheim", "QUCHENG_SMS_TOKEN": "geheim-geheim"}, "must begin with https://"),
        ({"QUCHENG_SMS_URL": "https://u:geheim@texts.example", "QUCHENG_SMS_TOKEN": "geheim-geheim"}, "without a user"),
        ({"QUCHENG_SMS_URL": "https://[geheim", "QUCHENG_SMS_TOKEN": "geheim-geheim"}, "QUCHENG_SMS_URL is no address"),
        ({"QUCHENG_METRICS_TOKEN": "geheim geheim geheim geheim"}, "without spaces"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_refused_without_its_value(variables: dict[str, str], message: str) -> None:
    with pytest.raises(settings.SettingError, match=message) as refused:
        settings.load(variables)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://texts.example:8443/send?from=shop", "http://127.0.0.1:9000/", "http://localhost/x"])
def test_text_messages_have_a_gateway(url: str) -> None:
    current = settings.load({"QUCHENG_SMS_URL": url, "QUCHENG_SMS_TOKEN": "plum-otter-42"})
    assert (current.sms_url, current.sms_token) == (url, "plum-otter-42")


def test_proxies_are_addresses_and_networks() -> None:
    current = settings.load({"QUCHENG_TRUSTED_PROXIES": " 127.0.0.1, 10.0.4.0/24,2001:db8::/48 ", "QUCHENG_PRODUCTION": "1"})
    assert current.trusted_proxies == ("127.0.0.1/32", "10.0.4.0/24", "2001:db8::/48")
    assert current.production
    assert (settings.load({}).trusted_proxies, settings.load({}).production) == ((), False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("QUCHENG_TRUSTED_PROXIES", "proxy.example", "is a list such as"),
        ("QUCHENG_TRUSTED_PROXIES", "10.0.4.1/24", "is a list such as"),
        ("QUCHENG_TRUSTED_PROXIES", "127.0.0.1, 0.0.0.0/0", "would believe everybody"),
        ("QUCHENG_TRUSTED_PROXIES", "::/0", "would believe everybody"),
        ("QUCHENG_WEBHOOK_NETWORKS", "0.0.0.0/0", "would reach everything"),
        ("QUCHENG_PRODUCTION", "yes", "is 1 or 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(settings.SettingError, match=f"{name} {message}"):
        settings.load({name: value})
