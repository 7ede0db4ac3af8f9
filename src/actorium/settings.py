"""Every setting of the server: one frozen struct, read once from ACTORIUM_*; nothing else reads the environment.

No setting is required. A wrong value stops the start with a line that names the setting, the value and what would do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from actorium.kernel.limits import PRICE_USD_MAX
from actorium.kernel.meter import Usage

MEGABYTE = 1024 * 1024
CONTAINERS_PER_CORE = 16
_PORTS = (21_000, 30_999)  # below the range from which Linux takes ports for outgoing connections
WARM_PART = 1 / 12  # of that, beside it: sandboxes that wait for runs, a gigabyte at most
MEMORY_PART = 0.75  # of the machine's memory that runs may take together by default


class WrongSetting(ValueError):
    """A setting has a value that cannot be used."""


def _setting(read: Callable[[str], Any], default: Any, wanted: str) -> Any:
    """A field: how it is read from text, its default, and in words what it accepts."""
    metadata = {"read": read, "wanted": wanted}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _matching(pattern: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError
        return text

    return read


TIERS = ("FREE", "BRONZE", "SILVER", "GOLD", "PLATINUM", "DIAMOND")
_DAYS = _whole(0, 36_500)


def _choice(*choices: str) -> Callable[[str], str]:
    return _matching("|".join(re.escape(choice) for choice in choices))


def _truth(text: str) -> bool:
    found = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower())
    if found is None:
        raise ValueError
    return found


def _ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    ports = int(first), int(last or first)
    if not 1024 <= ports[0] <= ports[1] <= 65_535:
        raise ValueError
    return ports


def _prices(text: str) -> Mapping[str, float]:
    prices = msgspec.json.decode(text, type=dict[str, float])
    if unknown := set(prices) - set(Usage):
        raise ValueError(unknown)
    if not all(0 <= price <= PRICE_USD_MAX for price in prices.values()):
        raise ValueError
    return prices


_POSTGRES = r"postgres(ql)?://([^@/?#\s]*@)?[^@/?#\s]*(/[^@?#\s]*)?(\?\w+=[^@#\s]*)?"
_BUCKET = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./-]*)?(\?[^@\s]*)?"


def _database(text: str) -> str:
    if re.fullmatch(rf"sqlite:.*|{_POSTGRES}", text) is None:
        raise ValueError
    return text


def _blobs(text: str) -> str:
    if text.startswith("file:"):
        return text
    if re.fullmatch(_BUCKET, text) is None:
        raise ValueError
    options = dict(parse_qsl(urlsplit(text).query, keep_blank_values=True, strict_parsing="?" in text))
    if set(options) - {"endpoint", "region"} or not re.match(r"https?://[^/]", options.get("endpoint", "https://any")):
        raise ValueError
    return text


def _networks(text: str) -> str:
    return ",".join(str(ip_network(part.strip(), strict=False)) for part in text.split(","))


_HOST = r"(\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"


def _hosts(text: str) -> str:
    found = [part.strip() for part in text.split(",") if part.strip()]
    for host in found:
        match = re.fullmatch(_HOST, host)
        if match is None or int(match["port"] or 1) not in range(1, 65_536):
            raise ValueError
    return ",".join(found)


def _data() -> Path:
    return Path.home() / ".actorium"


def _memory_mbytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEGABYTE
    return max(int(physical * MEMORY_PART), 256)


def _warm_memory_mbytes() -> int:
    return min(max(int(_memory_mbytes() * WARM_PART), 256), 1024)


def _containers() -> int:
    return CONTAINERS_PER_CORE * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. The environment name of ``data`` is ACTORIUM_DATA, and so on."""

    data: Path = _setting(Path, _data, "a folder that this user may write")
    """Where the embedded default keeps everything."""
    host: str = _setting(_matching(r"[A-Za-z0-9.:_-]+"), "127.0.0.1", "an address of this machine; loopback is safest")
    """Address to listen on."""
    port: int = _setting(_whole(0, 65_535), 8010, "a port from 1 to 65535, or 0 for any free one")
    """Port to listen on; 0 = any free one. It is remembered, so that runs find a restarted server again."""
    public_url: str = _setting(
        _matching(r"(https?://[^/\s]+(/[^\s]*)?)?"), "", "an http(s) address without /v2, or nothing"
    )
    """How browsers and clients reach the server, if not by host and port."""
    trusted_proxies: str = _setting(_networks, "", "addresses or networks, with commas between")
    """Reverse proxies in front of the server whose X-Forwarded-For is believed; without it nobody's. Runs call from
    this machine's loopback address: if that is a proxy's too, a run can say that it calls from elsewhere."""
    username: str = _setting(_matching(r"[A-Za-z0-9_.-]{3,30}"), "local", "3 to 30 letters, digits, '_', '.' or '-'")
    """Name of the first user."""
    token: str = _setting(_matching(r"[\x21-\x7e]{16,256}"), "", "at least 16 printable characters without spaces")
    """Token of the first user; without it one is made and printed once."""
    database: str = _setting(
        _database,
        "sqlite:",
        "sqlite:PATH or postgresql://USER:PASSWORD@HOST/NAME, with %40 for @, %2F for / and so on in the password",
    )
    """Where rows live. ``sqlite:`` alone is a file in the data folder. libpq's variables and password file apply."""
    blobs: str = _setting(
        _blobs, "file:", "file:FOLDER, s3://BUCKET or s3://BUCKET/FOLDER?endpoint=https://HOST&region=REGION"
    )
    """Where large payloads live. ``file:`` alone is a folder in the data folder. Credentials of S3 come from
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the role of the machine."""
    executor: str = _setting(_choice("auto", "process", "container"), "auto", "auto, process or container")
    """What builds and runs Actors. ``auto`` takes local processes where they can be isolated, else a container engine
    that answers. Images of the one can't be run by the other: after a change, build again."""
    container_host: str = _setting(
        _matching(r"(unix://)?/[^\s?#]+"), "", "the path of a socket, such as /run/podman/podman.sock, or nothing"
    )
    """Where the container engine answers, Docker or Podman on this machine; without it the usual places are tried."""
    memory_mbytes: int = _setting(_whole(128, 64 * MEGABYTE), _memory_mbytes, "megabytes, at least 128")
    """Memory that runs may take together; further runs wait in READY. Default: three quarters of the machine's."""
    concurrent_runs: int = _setting(_whole(1, 10_000), _containers, "a whole number from 1 to 10000")
    """Containers alive at once. Default: 16 for each core."""
    user_memory_mbytes: int = _setting(_whole(0, 64 * MEGABYTE), 0, "megabytes, or 0 for no limit")
    """Memory that the unfinished runs and builds of one user may have together; more is refused with 402. 0 = no limit.
    ``actorium user limit`` gives a user a limit of their own."""
    user_concurrent_runs: int = _setting(_whole(0, 1_000_000), 0, "a whole number, or 0 for no limit")
    """Unfinished runs of one user, those that wait included; more are refused with 402. 0 = no limit."""
    cpu_cores_min: float = _setting(_number(0, 1024), 1.0, "a number of cores from 0 to 1024")
    """A run may use so many cores while nobody else needs them; 0 = only its share, one core for 4096 MB."""
    container_ports: tuple[int, int] = _setting(_ports, _PORTS, "a range such as 21000-30999")
    """Ports for the web servers of runs."""
    allow_host_network: bool = _setting(_truth, False, "true or false")
    """Let runs use this machine's own network where no private one can be made. Less isolated."""
    warm_starts: bool = _setting(_truth, True, "true or false")
    """Keep sandboxes ready for Actors that ran in the last minutes, those of Python with their packages imported, so
    that the next run starts in tens of milliseconds."""
    warm_memory_mbytes: int = _setting(_whole(1, 64 * MEGABYTE), _warm_memory_mbytes, "megabytes, at least 1")
    """Memory that such sandboxes may use together, beside that of runs. Default: a sixteenth of the machine's, at least
    256 MB and at most 1024 MB."""
    concurrent_builds: int = _setting(_whole(1, 1000), 2, "a whole number from 1 to 1000")
    """Builds at once."""
    build_network: str = _setting(
        _choice("everything", "registries", "nothing"), "everything", "everything, registries or nothing"
    )
    """What RUN steps of builds reach. ``everything``: what runs reach, but the API. ``registries``: through a proxy
    the package registries that the server's own settings of pip, uv and npm name, else those that pip and npm go to
    by themselves, and ACTORIUM_BUILD_HOSTS; a Dockerfile that downloads from elsewhere, a browser for instance, then
    needs that host named. ``nothing``: nothing. Where sandboxes have no network (``actorium doctor``), ``everything``
    is ``registries``, as there is no other way."""
    build_hosts: str = _setting(_hosts, "", "hosts with commas between: files.example.com, .example.com or host:8443")
    """Hosts that ``registries`` lets through besides, on ports 80 and 443 unless one is named; with a dot before it a
    name stands for all names below it. An index often keeps its files on another host than itself."""
    source_networks: str = _setting(_networks, "", "addresses or networks, with commas between, such as 10.1.2.0/24")
    """Where archives and Git repositories of Actors may be fetched from besides public addresses: a code host in a
    private network. All others there, this machine's own services and those of its provider stay out of reach."""
    git_ssh_key: str = _setting(str, "", "the path of a file with a private key that has no passphrase")
    """The deploy key with which Git repositories are fetched over ssh, for all users of this installation: whoever may
    build can read what it opens."""
    prices: Mapping[str, float] = _setting(
        _prices, dict, 'JSON such as {"DATASET_READS": 0.0000004}, USD a unit from 0 to 1000000'
    )
    """Prices that replace those of the built-in table."""
    pricing_tier: str = _setting(_choice(*TIERS), "FREE", ", ".join(TIERS))
    """Which of an Actor's tiered prices runs here are charged by."""
    unnamed_storage_days: int = _setting(_DAYS, 7, "days from 1 to 36500, or 0 for ever")
    """An unnamed storage that nobody has used for so many days is deleted; 0 keeps it for ever. Those of a run that is
    kept, and all named ones, stay."""
    run_days: int = _setting(_DAYS, 7, "days from 1 to 36500, or 0 for ever")
    """A run that ended so many days ago is deleted with its log and its default storages, unless one of these has a
    name or was used since; 0 keeps all runs for ever."""
    runs_kept: int = _setting(_whole(0, 1_000_000), 10, "a whole number from 0 to 1000000")
    """So many of the newest runs of each Actor are kept however old they are."""
    build_days: int = _setting(_DAYS, 90, "days from 1 to 36500, or 0 for ever")
    """A finished build that no tag points at and no run was started with for so many days is deleted with its log and
    its image; 0 keeps all builds for ever. The build that plain runs get stays."""
    rate_limit_scale: float = _setting(_number(0, 1_000_000), 1.0, "a number from 0 (off)")
    """Multiplies every rate limit; 0 turns them off."""
    log_level: str = _setting(_choice("debug", "info", "warning", "error"), "info", "debug, info, warning or error")
    """How much the server tells."""
    log_format: str = _setting(_choice("auto", "json", "text"), "auto", "auto, json or text")
    """``auto``: text on a terminal, JSON elsewhere."""


def environment_name(name: str) -> str:
    return f"ACTORIUM_{name.upper()}"


def is_private(name: str, text: str) -> bool:
    """Whether a setting's value is not to be shown: it is the token, or may hold a password."""
    return name == "token" or "@" in text or "password" in text


def read(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment gives. Raises WrongSetting."""
    known = {environment_name(one.name): one for one in fields(Settings)}
    for name in environment:
        if name.startswith("ACTORIUM_") and name not in known:
            raise WrongSetting(f"{name} is no setting. Known are: {', '.join(sorted(known))}.")
    values: dict[str, Any] = {}
    for name, one in known.items():
        text = environment.get(name, "").strip()
        if not text:
            continue
        try:
            values[one.name] = one.metadata["read"](text)
        except (ValueError, msgspec.MsgspecError) as error:
            shown = "(hidden)" if is_private(one.name, text) else repr(text)
            raise WrongSetting(f"{name} is {shown}; it takes {one.metadata['wanted']}.") from error
    return Settings(**values)
