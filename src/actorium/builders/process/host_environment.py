"""What of the host's settings build steps may see: package indexes, proxies and certificates, by an allow-list.

They are the environment of build steps only and never become part of an image.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

ALLOWED = frozenset(
    {
        "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_PROXY",
        "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES",
        "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY", "UV_FIND_LINKS",
        "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_OFFLINE",
        "UV_CONCURRENT_DOWNLOADS", "UV_EXCLUDE_NEWER",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "COREPACK_INTEGRITY_KEYS",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    }
)  # fmt: skip
_LOCAL = frozenset(
    {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL"}
)
"""Lists of addresses of which some may be folders of the host, which a step cannot see."""
_CERTIFICATES = frozenset(
    {"PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
)
_AUTHORITIES = ("ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt")
_OF_UV = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"})
"""What settles which authorities uv trusts."""
_LOGIN = re.compile(r"(?P<scheme>https?://)(?P<login>[^\s/@]+)@(?P<host>[^\s/:@]+)")
_VISIBLE = ("/etc/ssl/certs", "/etc/pki/tls", "/etc/pki/ca-trust", "/usr/")
_PIP_KEYS = frozenset(
    {"index-url", "extra-index-url", "trusted-host", "find-links", "no-index", "proxy", "cert", "timeout", "retries"}
)


def build_environment(
    environment: Mapping[str, str], *, folder: str, etc: Path = Path("/etc")
) -> tuple[dict[str, str], dict[str, Path]]:
    """The variables for build steps, from the server's environment and the host's pip configuration.

    Also the certificate files that they name and that lie outside of the system folders: path inside, below
    ``folder``, to the host's file.
    """
    found = _pip_configuration(environment, etc)
    found |= {name: value for name, value in environment.items() if name in ALLOWED and value}
    variables: dict[str, str] = {}
    files: dict[str, Path] = {}
    for name, value in found.items():
        kept = _addresses(value) if name in _LOCAL else value
        if name in _CERTIFICATES and not value.startswith(_VISIBLE):
            # A folder of certificates, or one that is not there: steps use the system's own.
            kept = f"{folder}/{name}.pem" if Path(value).is_file() else ""
            files |= {kept: Path(value)} if kept else {}
        if kept:
            variables[name] = kept
    if not _OF_UV & variables.keys() and any((etc / place).is_file() for place in _AUTHORITIES):
        variables["UV_SYSTEM_CERTS"] = "1"  # as pip does, also for an authority of the machine's own network
    authorities = etc / "ssl/certs/ca-certificates.crt"
    if "NODE_EXTRA_CA_CERTS" not in variables and authorities.is_file():
        variables["NODE_EXTRA_CA_CERTS"] = str(authorities)  # Node.js trusts only its own list
    return variables, files


def without_logins(variables: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The variables with the logins of package indexes taken out of their addresses, and those as a netrc.

    Tools send what the netrc names to its host only. Two logins of one host cannot be told apart there: the first is
    taken. Those of proxies stay in their variables, as nothing reads them from elsewhere.
    """
    logins: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        user, _, password = match["login"].partition(":")
        words = [unquote(word) for word in (match["host"], user, password)]
        if password and not any(set(word) & set(' \t\r\n"\\') for word in words):
            logins.setdefault(words[0], f"machine {words[0]} login {words[1]} password {words[2]}\n")
            return match["scheme"] + match["host"]
        return match[0]  # a netrc has no way to write it

    plain = {
        name: _LOGIN.sub(take, value) if name.startswith(("PIP_", "UV_")) and name != "PIP_PROXY" else value
        for name, value in variables.items()
    }
    return plain, "".join(logins.values())


def _addresses(value: str) -> str:
    return " ".join(part for part in value.split() if "://" in part and not part.startswith("file:"))


def _pip_configuration(environment: Mapping[str, str], etc: Path) -> dict[str, str]:
    home = Path(environment.get("HOME", "/nonexistent"))
    configured = environment.get("XDG_CONFIG_HOME")
    paths = [
        etc / "xdg/pip/pip.conf",
        etc / "pip.conf",
        home / ".pip/pip.conf",
        (Path(configured) if configured else home / ".config") / "pip/pip.conf",
    ]
    if environment.get("PIP_CONFIG_FILE"):
        paths.append(Path(environment["PIP_CONFIG_FILE"]))
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(paths, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}  # pip itself would say what is wrong with it; a build goes on without
    values = {
        key: " ".join(value.split())
        for section in ("global", "install")
        if parser.has_section(section)
        for key, value in parser.items(section)
        if key in _PIP_KEYS and value
    }
    return {f"PIP_{key.upper().replace('-', '_')}": value for key, value in values.items()}
