"""What a stage knows while its instructions are read: environment, arguments, working directory, command."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from actorium.builders.process.variables import ExpansionError, expand, split_words

PREDEFINED_ARGS = frozenset(
    {f"{name}_proxy" for name in ("http", "https", "ftp", "no", "all")}
    | {f"{name}_PROXY" for name in ("HTTP", "HTTPS", "FTP", "NO", "ALL")}
)
_USER = re.compile(r"[a-z_][a-z0-9_-]*")
_HOMELESS = frozenset({"root", "nobody"})
SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How an image is run, and what the next stage on it starts from."""

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    shell: tuple[str, ...] = SHELL


class StageState:
    """Read one instruction after the other; ``config`` tells where that led."""

    def __init__(
        self, start: Config, global_args: Mapping[str, str], build_args: Mapping[str, str], *, escape: str
    ) -> None:
        self.env = dict(start.env)
        self.args: dict[str, str] = {}
        self.workdir, self.user, self.shell = start.workdir, start.user, start.shell
        self.entrypoint, self.cmd = start.entrypoint, start.cmd
        self.cmd_is_own = False
        """CMD stood in this stage, so that ENTRYPOINT does not take it away."""
        self._global_args, self._build_args, self._escape = global_args, build_args, escape

    def config(self) -> Config:
        entrypoint = () if self.entrypoint == ("",) else self.entrypoint
        return Config(
            env=dict(self.env), workdir=self.workdir, user=self.user, entrypoint=entrypoint, cmd=self.cmd,
            shell=self.shell,
        )  # fmt: skip

    @property
    def variables(self) -> dict[str, str]:
        """What ``$X`` means here; ENV wins over ARG."""
        return {**self.args, **self.env}

    def run_env(self) -> dict[str, str]:
        """The environment of a RUN: also the proxy arguments that need no ARG."""
        given = {name: value for name, value in self._build_args.items() if name in PREDEFINED_ARGS}
        return {**given, **self.variables}

    def expand(self, text: str) -> str:
        return expand(text, self.variables, escape=self._escape)

    def expand_text(self, text: str) -> str:
        """A heredoc: variables replaced, quotes kept."""
        kept = text.replace("\\", "\\\\").replace("\\\\$", "\\$").replace("'", "\\'").replace('"', '\\"')
        return expand(kept, self.variables, escape="\\")

    def pairs(self, rest: str) -> Iterator[tuple[str, str]]:
        """``A=1 B=2`` or the older ``A everything else``. Raises ``ExpansionError``."""
        words = split_words(rest, escape=self._escape)
        if words and "=" not in words[0]:
            value = rest.strip()[len(words[0]) :].strip()
            if not value:
                raise ExpansionError(f"{words[0]} has no value; write {words[0]}=value")
            yield words[0], self.expand(value)
            return
        for word in words:
            name, joined, value = word.partition("=")
            if not joined or not name:
                raise ExpansionError(f"{word[:60]} is not of the form name=value")
            yield self.expand(name), self.expand(value)

    def arg_words(self, rest: str) -> Iterator[tuple[str, str | None]]:
        """``ARG A B=default``: each name with its default, if it has one."""
        for word in split_words(rest, escape=self._escape):
            name, joined, value = word.partition("=")
            if not name.replace("_", "a").isalnum():
                raise ExpansionError(f"{name[:60] or '='} is not the name of an argument")
            yield name, self.expand(value) if joined else None

    def declare(self, rest: str) -> None:
        """ARG in a stage: a build argument, else its default, else what the ARG before FROM gave."""
        for name, default in self.arg_words(rest):
            value = self._build_args.get(name, default if default is not None else self._global_args.get(name))
            if value is not None:
                self.args[name] = value

    def move(self, path: str) -> str:
        """WORKDIR: absolute, or from where we are."""
        self.workdir = posixpath.normpath("/" + posixpath.join(self.workdir, path).lstrip("/"))
        return self.workdir

    def become(self, user: str) -> str | None:
        """USER: whose home HOME is, unless ENV gave it another value. Returns a home to be made."""
        before, self.user = home_of(self.user), user
        home = home_of(user)
        if self.env.get("HOME", before) == before:
            self.env["HOME"] = home
        return home if home != home_of("") else None

    def absolute(self, path: str) -> str:
        """A path of the image, the slash at its end kept."""
        joined = posixpath.normpath("/" + posixpath.join(self.workdir, path).lstrip("/"))
        folder = path.endswith("/") or path.rstrip("/").split("/")[-1:] in (["."], [".."])
        return joined if joined == "/" or not folder else f"{joined}/"


def home_of(user: str) -> str:
    """The home of ``USER name:group``: where useradd makes it. A number has none that is known, and gets root's."""
    name = user.partition(":")[0]
    return f"/home/{name}" if _USER.fullmatch(name) and name not in _HOMELESS else "/root"
