"""The small parts of runs: options, environment, tokens, measurements, usage, ports."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.executors import Stats
from actorium.kernel.errors import InvalidValue
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.kernel.meter import Usage
from actorium.kernel.structs import UNSET
from actorium.runs.errors import InvalidMemory, InvalidTimeout
from actorium.runs.measurements import Measurement, ended, join, of, wire
from actorium.runs.options import Defaults, StartOptions, resolve
from actorium.runs.ports import NoFreePort, Ports
from actorium.runs.tokens import Bearer, RunTokens
from actorium.runs.usage import PRICES_USD, compute_units, used
from actorium.runs.view import build_number_int


def test_options_take_the_query_before_the_actor_before_our_own() -> None:
    ours = resolve(StartOptions(), Defaults(), build="latest")
    assert (ours.memory_mbytes, ours.timeout_secs, ours.disk_mbytes) == (1024, 3600, 2048)
    actors = Defaults(memory_mbytes=512, timeout_secs=10, max_items=5, restart_on_error=True)
    assert resolve(StartOptions(), actors, build="x").memory_mbytes == 512
    asked = resolve(StartOptions(memory=256, timeout=0, max_items=0, max_total_charge_usd=1.5), actors, build="x")
    assert (asked.memory_mbytes, asked.timeout_secs, asked.max_items, asked.max_total_charge_usd) == (
        256,
        0,
        UNSET,
        1.5,
    )
    assert asked.restart_on_error is True


@pytest.mark.parametrize("memory", [0, -128, 64, 100, 129, 65_536, 129.5, float("inf"), float("nan")])
def test_memory_that_is_no_power_of_two_in_range_is_refused(memory: float) -> None:
    with pytest.raises(InvalidMemory, match="power of two between 128 and 32768"):
        resolve(StartOptions(memory=memory), Defaults(), build="x")


@pytest.mark.parametrize("timeout", [-1, 1e12, float("inf"), float("nan")])
def test_a_timeout_out_of_range_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidTimeout):
        resolve(StartOptions(timeout=timeout), Defaults(), build="x")


def test_negative_limits_are_refused() -> None:
    for options in (StartOptions(max_items=-1), StartOptions(max_total_charge_usd=-0.1)):
        with pytest.raises(InvalidValue):
            resolve(options, Defaults(), build="x")


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_options_are_resolved_or_refused(memory: float, timeout: float) -> None:
    try:
        found = resolve(StartOptions(memory=memory, timeout=timeout), Defaults(), build="x")
    except InvalidValue:
        return
    assert 128 <= found.memory_mbytes <= 32_768
    assert found.timeout_secs >= 0


def test_a_token_names_its_run_and_no_other_installation_makes_it() -> None:
    tokens, others = RunTokens("secret"), RunTokens("another")
    token = tokens.token("abc123")
    assert tokens.bearer(token) == Bearer("abc123")
    assert tokens.token("abc123") == token
    assert tokens.bearer(tokens.token("abc123", 10)) == Bearer("abc123", 10)
    assert tokens.bearer(tokens.token("abc123", 2).replace("_2_", "_3_")) is None
    assert others.bearer(token) is None
    assert tokens.bearer(token[:-1] + ("0" if token[-1] != "0" else "1")) is None
    assert tokens.bearer(token.replace("abc123", "abc124")) is None


@pytest.mark.parametrize("token", ["", "actorium_run_", "actorium_run__", "actorium_api_x", "actorium_run_é_é"])
def test_what_is_no_run_token_is_nobodys(token: str) -> None:
    assert RunTokens("secret").bearer(token) is None


def test_measurements_add_up_over_attempts() -> None:
    first = Measurement(millis=1000, mem_avg_bytes=100, mem_max_bytes=150, cpu_avg_usage=10, net_rx_bytes=5)
    second = Measurement(millis=3000, mem_avg_bytes=200, mem_max_bytes=120, cpu_avg_usage=50, net_rx_bytes=7)
    whole = join(first, second)
    assert (whole.millis, whole.mem_avg_bytes, whole.mem_max_bytes) == (4000, 175, 150)
    assert (whole.cpu_avg_usage, whole.net_rx_bytes) == (40, 12)


def test_what_was_not_measured_stays_absent() -> None:
    measured = of(Stats(at=Instant(1), mem_max_bytes=7, mem_current_bytes=7), 10)
    assert wire(measured)["mem_max_bytes"] == 7
    assert wire(measured)["net_rx_bytes"] is UNSET
    assert wire(None) == {}
    assert (ended(measured).mem_current_bytes, ended(measured).cpu_current_usage) == (0, None)
    assert join(Measurement(), Measurement()).net_rx_bytes is None


def test_traffic_is_internal_or_external() -> None:
    stats = Stats(at=Instant(1), net_rx_bytes=100, net_tx_bytes=50, internal_rx_bytes=30, internal_tx_bytes=20)
    measured = of(stats, 1)
    assert (measured.internal_bytes, measured.external_bytes) == (50, 100)


def test_a_compute_unit_is_a_gigabyte_for_an_hour_in_whole_seconds() -> None:
    assert compute_units(1024, 3_600_000) == 1
    assert compute_units(4096, 1) == 4 / 3600
    assert compute_units(1024, 0) == 0


def test_usage_has_what_was_counted_and_leaves_out_what_was_not_measured() -> None:
    found = used(
        units=1.0,
        operations={Usage.DATASET_WRITES: 1000},
        internal_bytes=None,
        external_bytes=2_000_000_000,
    )
    assert Usage.DATA_TRANSFER_INTERNAL_GBYTES not in found.amounts
    assert found.amounts[Usage.DATASET_READS] == 0
    usd = found.usd(PRICES_USD)
    assert usd[Usage.DATASET_WRITES] == pytest.approx(0.005)
    assert usd[Usage.DATA_TRANSFER_EXTERNAL_GBYTES] == pytest.approx(0.4)
    assert usd[Usage.ACTOR_COMPUTE_UNITS] == pytest.approx(0.2)


def test_a_build_number_as_an_integer() -> None:
    assert build_number_int("1.2.34") == 10_200_034


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NoFreePort, match="ACTORIUM_CONTAINER_PORTS"):
            Ports(port, port, "127.0.0.1", SeededIds()).pick()
