"""Settings: every one has a default, a wrong value names itself and what would do."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from actorium.settings import Settings, WrongSetting, environment_name, read


def test_nothing_is_required() -> None:
    assert read({}) == Settings()
    assert read({"PATH": "/bin", "ACTORIUM_PORT": ""}) == Settings()


def test_values_are_read() -> None:
    found = read(
        {
            "ACTORIUM_DATA": "/srv/actorium",
            "ACTORIUM_PORT": "0",
            "ACTORIUM_CONTAINER_PORTS": "2000-2005",
            "ACTORIUM_ALLOW_HOST_NETWORK": "Yes",
            "ACTORIUM_PRICES": '{"DATASET_READS": 0.5}',
            "ACTORIUM_CPU_CORES_MIN": "0.5",
            "ACTORIUM_TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8, ::1",
        }
    )
    assert (found.data, found.port, found.container_ports) == (Path("/srv/actorium"), 0, (2000, 2005))
    assert found.trusted_proxies == "127.0.0.1/32,10.0.0.0/8,::1/128"
    assert (found.allow_host_network, found.prices, found.cpu_cores_min) == (True, {"DATASET_READS": 0.5}, 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("HOST", "not a host!"),
        ("DATABASE", "mysql://x"),
        ("BLOBS", "ftp://x"),
        ("BLOBS", "s3://UPPER"),
        ("BLOBS", "s3://bucket?endpoint=minio:9000"),
        ("BLOBS", "s3://bucket?regoin=eu-west-1"),
        ("EXECUTOR", "magic"),
        ("MEMORY_MBYTES", "-1"),
        ("CONTAINER_PORTS", "3000-2000"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("USERNAME", "x"),
        ("PRICES", "{"),
        ("PRICES", '{"UNKNOWN": 1}'),
        ("PRICES", '{"DATASET_READS": -0.1}'),
        ("PRICES", '{"DATASET_READS": 1e999}'),
        ("PRICES", '{"DATASET_READS": NaN}'),
        ("RATE_LIMIT_SCALE", "nan"),
        ("LOG_LEVEL", "loud"),
        ("ALLOW_HOST_NETWORK", "maybe"),
    ],
)
def test_a_wrong_value_names_the_setting_the_value_and_what_would_do(name: str, value: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        read({f"ACTORIUM_{name}": value})
    message = str(caught.value)
    wanted = next(
        one.metadata["wanted"] for one in fields(Settings) if environment_name(one.name) == f"ACTORIUM_{name}"
    )
    assert f"ACTORIUM_{name}" in message
    assert repr(value) in message
    assert wanted in message


def test_a_wrong_token_is_not_shown() -> None:
    with pytest.raises(WrongSetting) as caught:
        read({"ACTORIUM_TOKEN": "tooshort"})
    assert "tooshort" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE", "postgresql://me:swor@dfish@host/db"),
        ("DATABASE", "postgresql://me:swor/dfish@host/db"),
        ("DATABASE", "postgresql://me:swor#dfish@host/db"),
        ("DATABASE", "postgresql://me:swor?dfish@host/db"),
        ("DATABASE", "mysql://me:swordfish@host/db"),
        ("DATABASE", "host=db password=swordfish"),
        ("BLOBS", "s3://me:swordfish@bucket"),
        ("BLOBS", "s3://bucket?endpoint=https://me:swordfish@host"),
    ],
)
def test_a_password_is_not_shown(name: str, value: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        read({f"ACTORIUM_{name}": value})
    assert "dfish" not in str(caught.value)
    assert f"ACTORIUM_{name} is (hidden); it takes" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE", "sqlite:/srv/a b.db"),
        ("DATABASE", "postgres://host"),
        ("DATABASE", "postgresql://me:sw%40rd%2Ffish%23@h1:5432,[::1]:5433/db?sslmode=verify-full"),
        ("DATABASE", "postgresql:///db?host=/run/postgresql&user=me"),
        ("BLOBS", "file:/srv/blobs"),
        ("BLOBS", "s3://bucket"),
        ("BLOBS", "s3://my.bucket-1/a/b_c?endpoint=http://127.0.0.1:9000&region=eu-central-1"),
    ],
)
def test_addresses_are_taken_as_they_are(name: str, value: str) -> None:
    assert getattr(read({f"ACTORIUM_{name}": value}), name.lower()) == value


def test_a_misspelt_setting_is_told() -> None:
    with pytest.raises(WrongSetting, match="ACTORIUM_PROT is no setting"):
        read({"ACTORIUM_PROT": "1"})
