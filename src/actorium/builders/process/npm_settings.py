"""The host's npm settings that build steps get: where packages come from and the way there, never who asks.

Tokens and passwords stay behind, in addresses too: a step could copy the file into its image, and npm's are often good
for publishing. A registry that asks for them needs a mirror that does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_KEYS = frozenset(
    {
        "registry", "proxy", "https-proxy", "http-proxy", "noproxy", "strict-ssl", "cafile", "maxsockets",
        "fetch-retries", "fetch-retry-factor", "fetch-retry-mintimeout", "fetch-retry-maxtimeout", "fetch-timeout",
        "replace-registry-host", "before",
    }
)  # fmt: skip
_SCOPE = re.compile(r"@[\w.-]+:registry")
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_OF_OTHERS = ("COREPACK_NPM_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "YARN_REGISTRY")
"""By which corepack, yarn and the first yarn are told the registry."""
_VISIBLE = ("/etc/ssl/certs", "/etc/pki/tls", "/etc/pki/ca-trust", "/usr/")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmSettings:
    """What build steps get of them."""

    text: str
    """An npmrc."""
    files: Mapping[str, Path]
    """The certificate file that it names: path inside → file of the host."""
    env: Mapping[str, str]
    """For the package managers that do not read it."""


def npm_settings(environment: Mapping[str, str], *, folder: str, root: Path = Path("/")) -> NpmSettings:
    """Read from the server's environment and npm's files; ``folder`` is where steps see what the host names."""
    named = {name.lower(): value for name, value in environment.items() if name.lower().startswith("npm_config_")}
    home = Path(environment.get("HOME") or "/nonexistent")
    paths = [root / "etc/npmrc", root / "usr/etc/npmrc", root / "usr/local/etc/npmrc"]
    paths += [Path(named["npm_config_globalconfig"])] if named.get("npm_config_globalconfig") else []
    paths += [Path(named.get("npm_config_userconfig") or home / ".npmrc")]
    found: dict[str, str] = {}
    for path in paths:
        found |= _read(path)
    for name, value in named.items():
        key = name.removeprefix("npm_config_").replace("_", "-")
        if key in _KEYS and value:
            found[key] = value
    files: dict[str, Path] = {}
    authority = found.pop("cafile", "")
    if authority.startswith(_VISIBLE):
        found["cafile"] = authority
    elif authority and Path(authority).is_file():
        found["cafile"] = f"{folder}/npm-cafile.pem"
        files[found["cafile"]] = Path(authority)
    plain = {key: _LOGIN.sub("", value) for key, value in sorted(found.items())}
    registry = plain.get("registry", "").rstrip("/")
    env = {name: registry for name in _OF_OTHERS if registry}
    return NpmSettings(text="".join(f"{key}={value}\n" for key, value in plain.items()), files=files, env=env)


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in lines:
        key, joined, value = (part.strip() for part in line.partition("="))
        # What a variable stands for may be a secret.
        if joined and "${" not in value and (key in _KEYS or _SCOPE.fullmatch(key)):
            found[key] = value.strip("\"'")
    return {key: value for key, value in found.items() if value}
