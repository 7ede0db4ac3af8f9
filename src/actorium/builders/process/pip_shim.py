"""The ``pip`` command of emulated Python bases: the common forms through uv, everything else through pip itself.

Copied into images as it is and run there by the Actor's Python, so it stands alone and reads 3.9.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Optional  # noqa: UP035 - runs on Python 3.9 too

PYTHON = "/opt/actorium/python/bin/python"
UV = "/opt/actorium/build/uv"
USER, NOT_USER = "--user", ("--no-user", "--target", "-t", "--prefix", "--root")
COMPILER = "/opt/actorium/compile_packages.py"
QUIET = frozenset({"-q", "-qq", "--quiet"})
UNKNOWN = 2  # uv's code for an option, also one in a requirements file, that it does not know

# pip's flags without a value: what uv calls them, or nothing where the default is the same.
FLAGS: Dict[str, List[str]] = {  # noqa: UP006
    "--no-cache-dir": [],  # the cache lies outside of the image
    "--disable-pip-version-check": [],
    "--no-input": [],
    "--no-warn-script-location": [],
    "--no-warn-conflicts": [],
    "--break-system-packages": [],
    "--no-color": [],
    "--compile": [],
    "--no-compile": [],
    "--no-deps": ["--no-deps"],
    "--pre": ["--prerelease=allow"],
    "--force-reinstall": ["--reinstall"],
    "--no-index": ["--no-index"],
    "--no-build-isolation": ["--no-build-isolation"],
    "--require-hashes": ["--require-hashes"],
    "--quiet": ["--quiet"],
    "-q": ["--quiet"],
    "-qq": ["--quiet", "--quiet"],
    "--verbose": [],
    "-v": [],
}

# pip's options with a value: what uv calls them, or None where the value changes nothing here.
OPTIONS: Dict[str, Optional[str]] = {  # noqa: UP006, UP045
    "--requirement": "--requirement",
    "-r": "--requirement",
    "--constraint": "--constraint",
    "-c": "--constraint",
    "--editable": "--editable",
    "-e": "--editable",
    "--index-url": "--default-index",
    "-i": "--default-index",
    "--extra-index-url": "--index",
    "--find-links": "--find-links",
    "-f": "--find-links",
    "--trusted-host": "--allow-insecure-host",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--progress-bar": None,
    "--timeout": None,
    "--default-timeout": None,
    "--retries": None,
    "--root-user-action": None,
    "--cache-dir": None,
}

# pip's variables that uv is told by the names of its own, and those that change nothing of what is installed.
TOLD = (
    ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"),
    ("UV_INDEX", "PIP_EXTRA_INDEX_URL"),
    ("UV_FIND_LINKS", "PIP_FIND_LINKS"),
    ("UV_CONSTRAINT", "PIP_CONSTRAINT"),
    ("UV_INSECURE_HOST", "PIP_TRUSTED_HOST"),
    ("SSL_CERT_FILE", "PIP_CERT"),
)
SAME = frozenset(
    {
        "PIP_BREAK_SYSTEM_PACKAGES", "PIP_CACHE_DIR", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT",
        "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR", "PIP_NO_COLOR", "PIP_NO_INPUT", "PIP_NO_WARN_CONFLICTS",
        "PIP_NO_WARN_SCRIPT_LOCATION", "PIP_PROGRESS_BAR", "PIP_QUIET", "PIP_RETRIES", "PIP_ROOT_USER_ACTION",
        "PIP_TIMEOUT", "PIP_USER", "PIP_VERBOSE", "PIP_VERSION",
    }
)  # fmt: skip

_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([<>=!~;].*)?$", re.DOTALL)


def translate(arguments: List[str]) -> Optional[List[str]]:  # noqa: UP006, UP045
    """uv's arguments that do the same as pip's; None when that is not known to be so."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command in ("freeze", "list", "check") and not rest:
        return ["pip", command]
    return _install(rest) if command == "install" else None


def _install(words: List[str]) -> Optional[List[str]]:  # noqa: UP006, UP045
    out, wanted, upgrade, files, at = ["pip", "install"], [], False, False, 0
    while at < len(words):
        word, at = words[at], at + 1
        if word in ("-U", "--upgrade"):
            upgrade = True
        elif word in FLAGS:
            out += FLAGS[word]
        elif not word.startswith("-"):
            wanted.append(word)
        else:
            name, joined, value = word.partition("=")
            if name not in OPTIONS and name[:2] in OPTIONS and not name.startswith("--"):
                name, joined, value = word[:2], "=", word[2:]
            if name not in OPTIONS or (not joined and at >= len(words)):
                return None
            if not joined:
                value, at = words[at], at + 1
            target = OPTIONS[name]
            files = files or target in ("--requirement", "--editable")
            out += [f"{target}={value}"] if target else []
    if not (wanted or files):
        return None
    return out + (_upgrades(wanted, files=files) if upgrade else []) + ["--", *wanted]


def _upgrades(wanted: List[str], *, files: bool) -> List[str]:  # noqa: UP006
    """pip upgrades what is named and leaves what that needs alone, unless it must change."""
    names = [match.group(1) for match in map(_NAME.match, wanted) if match]
    if files or len(names) != len(wanted):
        return ["--upgrade"]
    return [f"--upgrade-package={name}" for name in names]


def is_configured() -> bool:
    """Whether the image tells pip what uv does not read: a file of settings, or a variable without one of uv's."""
    known = SAME.union(theirs for _, theirs in TOLD)
    if any(name.startswith("PIP_") and value and name not in known for name, value in os.environ.items()):
        return True
    home, prefix = Path("~").expanduser(), Path(PYTHON).parent.parent
    places = [home / ".pip", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip", prefix]
    places += [Path("/etc"), Path("/etc/xdg/pip")]
    files = [place / "pip.conf" for place in places] + [Path(os.environ.get("PIP_CONFIG_FILE") or os.devnull)]
    return any(file.is_file() for file in files)


def uv_environment() -> Dict[str, str]:  # noqa: UP006
    """pip's own variables under uv's names, and pip's way to choose between indexes."""
    env = dict(os.environ)
    for ours, theirs in TOLD:
        if env.get(theirs) and not env.get(ours):
            env[ours] = env[theirs]
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    env["UV_COMPILE_BYTECODE"] = "0"  # compiled afterwards, with a cache
    env.pop("PIP_USER", None)
    return env


def user_base(arguments: List[str]) -> Optional[str]:  # noqa: UP006, UP045
    """Where ``--user`` installs, if it is asked for: environments refuse it, so it is told as a prefix."""
    if arguments[:1] != ["install"] or any(word.partition("=")[0] in NOT_USER for word in arguments):
        return None
    if USER not in arguments and os.environ.get("PIP_USER", "").lower() not in ("1", "y", "yes", "t", "true", "on"):
        return None
    return os.environ.get("PYTHONUSERBASE") or str(Path("~/.local").expanduser())


def main() -> int:
    """Run uv where it does the same, else pip."""
    arguments, base = sys.argv[1:], user_base(sys.argv[1:])
    arguments = [word for word in arguments if word != USER or base is None]
    folder = "{}/lib/python{}.{}/site-packages".format(base, *sys.version_info[:2]) if base else ""
    translated = translate(arguments) if os.access(UV, os.X_OK) and not is_configured() else None
    if translated is not None:
        at = 2  # after `pip install`
        with tempfile.TemporaryFile() as mark:  # the clock that files are stamped by
            begun = os.fstat(mark.fileno()).st_ctime
        command = [UV, *translated[:at], "--python", PYTHON, *(["--prefix", base] if base else []), *translated[at:]]
        code = subprocess.run(command, env=uv_environment(), check=False).returncode  # noqa: S603
        if code == 0 and arguments[0] == "install" and "--no-compile" not in arguments:
            quiet = QUIET.intersection(arguments)
            subprocess.run([PYTHON, "-I", COMPILER, str(begun), folder, *quiet], check=False)  # noqa: S603
        if code != UNKNOWN:
            return code if code >= 0 else 128 - code
    if base:
        arguments[1:1] = ["--prefix", base, "--ignore-installed"]  # those of the environment stay as they are
    env = {name: value for name, value in os.environ.items() if name != "PIP_USER" or base is None}
    return subprocess.run([PYTHON, "-m", "pip", *arguments], env=env, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
