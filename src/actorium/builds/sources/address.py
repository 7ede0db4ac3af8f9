"""Addresses of sources as people write them: taken apart, checked, and shown without what is secret in them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from actorium.actors.sources import clean_path
from actorium.builders import BuildFailed
from actorium.kernel.limits import GIT_REFERENCE_CHARS_MAX

HTTP_PORTS = {"http": 80, "https": 443}
_SSH_PORT = 22
_SHORT = re.compile(r"(?P<user>[A-Za-z0-9_][\w.-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[A-Za-z0-9_~/.][^:]*)")
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
_USER = re.compile(r"[A-Za-z0-9_][\w.-]*")
_UNUSABLE = re.compile(r"[\x00-\x20\x7f\\'\"`<>^{}|\ud800-\udfff]")
_NO_REFERENCE = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|[/.]$|\.lock$")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SECRET_CHARS_MIN = 6  # of a value in a query: shorter ones would blacken ordinary words


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAddress:
    """Where something is fetched over HTTP."""

    url: str
    """Without a user and password and without a fragment."""
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAddress:
    """A repository, and what of it is meant."""

    url: str
    """As git takes it; never with a password."""
    host: str
    port: int
    is_ssh: bool
    user: str = ""
    password: str = field(default="", repr=False)
    reference: str = ""
    """A branch, a tag or a commit; empty: the repository's own branch."""
    folder: str = ""

    @property
    def is_commit(self) -> bool:
        return _COMMIT.fullmatch(self.reference) is not None


def http_address(text: str) -> HttpAddress:
    """An http or https address. Raises BuildFailed."""
    _check_characters(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BuildFailed(f"The address of the sources cannot be read: {error}. Begin it with https://.") from error
    if parts.scheme not in HTTP_PORTS or not parts.hostname or _HOST.fullmatch(parts.hostname) is None:
        raise BuildFailed(f"The address of the sources, {shown(text)!r}, is none of the web. Begin it with https://.")
    return HttpAddress(
        url=parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(),
        host=parts.hostname,
        port=port or HTTP_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def git_address(text: str) -> GitAddress:
    """``url[.git][#reference[:folder]]`` over https or ssh. Raises BuildFailed."""
    text = text.strip()
    url, _, fragment = text.partition("#")
    reference, _, folder = fragment.partition(":")
    _check_characters(url)
    _check_reference(reference)
    folder = "" if folder.strip("/.") == "" and ".." not in folder else clean_path(folder.strip("/"))
    if short := _SHORT.fullmatch(url):
        return GitAddress(
            url=url, host=short["host"], port=_SSH_PORT, is_ssh=True, user=short["user"], reference=reference,
            folder=folder,
        )  # fmt: skip
    if url.startswith("ssh://"):
        return _ssh_address(url, reference, folder)
    if not url.startswith(("http://", "https://")):
        raise BuildFailed(
            f"The repository {shown(url)!r} cannot be fetched: use an address that begins with https:// or ssh://, or"
            " git@HOST:PATH. Local paths, file: and other transports are not allowed."
        )
    web = http_address(url)
    if urlsplit(web.url).query:
        raise BuildFailed("The address of a Git repository cannot have a query; leave out what follows the '?'.")
    return GitAddress(
        url=web.url, host=web.host, port=web.port, is_ssh=False, user=web.user, password=web.password,
        reference=reference, folder=folder,
    )  # fmt: skip


def authorization(user: str, password: str) -> dict[str, str]:
    """The header that says who asks; none for nobody."""
    if not user and not password:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def branch_of(text: str | None) -> str | None:
    """What follows the ``#`` of a repository's address; None where nothing does."""
    return (text or "").partition("#")[2].partition(":")[0] or None


def shown(text: str) -> str:
    """An address as logs may show it: without password and query."""
    text = re.sub(r"[\x00-\x1f\x7f]", "_", text[:1000])
    before, separator, after = text.partition("://")
    if not separator:
        return re.sub(r"^[^/@]*:[^/@]*@", "", text).partition("?")[0]
    authority, slash, path = after.partition("/")
    return before + separator + authority.rpartition("@")[2] + slash + path.partition("?")[0].partition("#")[0]


def secrets_of(text: str) -> tuple[str, ...]:
    """What of an address no log may show."""
    try:
        parts = urlsplit(text.strip())
        named = [parts.password or "", unquote(parts.password or "")]
        if parts.scheme in HTTP_PORTS and not parts.password:
            named += [parts.username or "", unquote(parts.username or "")]  # a token alone is written as the user
    except ValueError:
        return ()
    named += [value for _, value in parse_qsl(parts.query, max_num_fields=None) if len(value) >= _SECRET_CHARS_MIN]
    return tuple(dict.fromkeys(value for value in named if value))


def _ssh_address(url: str, reference: str, folder: str) -> GitAddress:
    try:
        parts = urlsplit(url)
        port = parts.port or _SSH_PORT
    except ValueError as error:
        raise BuildFailed(f"The address of the repository cannot be read: {error}.") from error
    user, host = parts.username or "", parts.hostname or ""
    good = _HOST.fullmatch(host) and not host.startswith("-") and (not user or _USER.fullmatch(user))
    if not good or parts.password is not None or parts.query:
        raise BuildFailed(
            "The address of the repository cannot be used; write ssh://USER@HOST/PATH without a password."
        )
    return GitAddress(
        url=url, host=host, port=port, is_ssh=True, user=user, reference=reference, folder=folder,
    )  # fmt: skip


def _check_characters(url: str) -> None:
    if _UNUSABLE.search(url):
        raise BuildFailed("The address of the sources has characters that no address has; write them as %20 and so on.")


def _check_reference(reference: str) -> None:
    if reference and (len(reference) > GIT_REFERENCE_CHARS_MAX or _NO_REFERENCE.search(reference)):
        raise BuildFailed(f"{reference[:80]!r} cannot be the name of a branch, a tag or a commit; correct gitRepoUrl.")
