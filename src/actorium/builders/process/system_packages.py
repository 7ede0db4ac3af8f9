"""What a RUN asks a distribution's package manager for, and whether this machine has it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actorium.builders.process.bases import SYSTEM_PATH

_INSTALL = re.compile(
    r"(?:^|[;&|(\n]|\bthen\b|\bdo\b|\bsudo\b)\s*(?:\w+=\S*\s+)*(?:\S*/)?"
    r"(?P<tool>apt-get|apt|aptitude|apk|yum|dnf|microdnf|zypper|pacman)(?![^\s;&|)])(?P<rest>[^;&|)\n]*)"
)
_QUOTED = re.compile(
    r"""(?P<comment>(?<!\S)\#[^\n]*)|(?P<shell>\s-\w*c\s+)?(?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)")|\\.""",
    re.DOTALL,
)
"""Comments, quoted texts (those that a shell is given to run apart), and what an escape makes plain."""
_HARMLESS = frozenset(
    {"update", "upgrade", "dist-upgrade", "full-upgrade", "clean", "autoclean", "autoremove", "purge", "remove", "del"}
)
_WITH_VALUE = {
    "apk": frozenset({"-t", "--virtual", "-X", "--repository", "-p", "--root", "--cache-dir"}),
    "apt": frozenset({"-t", "--target-release", "-o", "--option", "-c", "--config-file"}),
}
"""Options whose value is the next word."""
_LISTED = Path("/var/lib/dpkg/info")
"""Where Debian and its kin list what is installed."""
_NAMES = {
    "build-base": ("gcc", "g++", "make"),
    "build-essential": ("gcc", "g++", "make"),
    **dict.fromkeys(("default-jre", "default-jre-headless"), ("java",)),
    **dict.fromkeys(("default-jdk", "default-jdk-headless"), ("javac",)),
    "dumb-init": (),
    "gcompat": (),
    "libc6-compat": (),
    "libc-dev": ("libc6-dev",),
    "freetype": ("libfreetype6",),
    "harfbuzz": ("libharfbuzz0b",),
    "libgl1-mesa-glx": ("libgl1",),
    "nodejs": ("node",),
    "nss": ("libnss3",),
    "ttf-freefont": ("fonts-freefont-ttf",),
    "musl-dev": ("libc6-dev",),
    "libstdc++": ("libstdc++6",),
    "linux-headers": ("linux-libc-dev",),
    "openssl-dev": ("libssl-dev",),
    "py3-pip": ("python3",),
    "sudo": (),
    "tini": (),
    "gnupg": ("gpg",),
    "gnupg2": ("gpg",),
    "procps": ("ps",),
    "coreutils": ("ls",),
    "ca-certificates-bundle": ("ca-certificates",),
    "openssh": ("ssh",),
    "openssh-client": ("ssh",),
}
"""What another distribution's package is here, or which commands it brings; nothing where every machine here has it."""


_PERHAPS = re.compile(r".+-dev|apt-utils|apt-transport-https|software-properties-common|lsb-release")
"""What a build may well do without: headers, as most packages come compiled, and helpers of package managers."""


def system_packages_without(command: str) -> list[str]:
    """Which packages that a shell command asks for are not there, and may not be needed."""
    found = []
    for match in _INSTALL.finditer(_QUOTED.sub(_unquoted, command.replace("\\\n", " "))):
        words = list(_plain_words(match["tool"], match["rest"]))
        if words[:1] in (["install"], ["add"]):
            found += [name for name in map(_name, words[1:]) if _PERHAPS.fullmatch(name) and not _on_host(name)]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What of a command cannot be followed here."""

    command: str
    packages: tuple[str, ...] = ()
    """What the machine lacks of it; empty where its package manager is not followed at all."""


def system_packages_missing(command: str) -> Missing | None:
    """What of a shell command asks for a distribution's package that the host lacks; None when nothing does."""
    for match in _INSTALL.finditer(_QUOTED.sub(_unquoted, command.replace("\\\n", " "))):
        tool = match["tool"]
        plain = list(_plain_words(tool, match["rest"]))
        if not plain or plain[0] in _HARMLESS:
            continue
        if plain[0] not in ("install", "add") or tool not in ("apt-get", "apt", "apk"):
            return Missing(command=" ".join(f"{tool} {match['rest']}".split()))
        missing = [word for word in plain[1:] if not _PERHAPS.fullmatch(_name(word)) and not _on_host(_name(word))]
        if missing:
            return Missing(command=f"{tool} {plain[0]} {' '.join(missing)}", packages=tuple(missing))
    return None


def _unquoted(match: re.Match[str]) -> str:
    """A command's quoted text as one word; what ``sh -c`` is given as the commands that it is."""
    if match["comment"] is not None:
        return ""
    text = match["single"] if match["single"] is not None else match["double"]
    if text is None:
        return match[0]
    return f"\n{text}\n" if match["shell"] else re.sub(r"[\s;&|()]+", "_", text)


def hint(command: str) -> str:
    """What may have been missing when a command failed; empty where nothing is known."""
    if re.search(r"\bplaywright\s+install|\bpuppeteer\s+browsers\s+install", command):
        return (
            ". It fetches a browser from its maker's servers and packages of a distribution; with Chromium on this "
            "machine, an image of apify/actor-*-playwright-chrome needs neither"
        )
    return ""


def _plain_words(tool: str, rest: str) -> Iterator[str]:
    with_value, skip = _WITH_VALUE["apk" if tool == "apk" else "apt"], False
    for word in rest.split():
        if not skip and not word.startswith("-"):
            yield word.strip("\"'")
        skip = not skip and word in with_value


def _name(word: str) -> str:
    return re.split(r"[=<>~]", word)[0]


def _on_host(package: str) -> bool:
    return all(_has(each) for each in _NAMES.get(package, (package,))) or _has(package)


def _has(package: str) -> bool:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", package):
        return package.isdigit()
    if shutil.which(package, path=SYSTEM_PATH) is not None:
        return True
    # Debian's libraries with the larger time have a name of their own since 2024; whoever asks for one means either.
    names = dict.fromkeys((package, f"{package}t64", package.removesuffix("t64")))
    return any((_LISTED / f"{name}.list").exists() or any(_LISTED.glob(f"{name}:*.list")) for name in names)
