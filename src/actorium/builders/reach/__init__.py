"""How far the steps of a build get: what ``ACTORIUM_BUILD_NETWORK`` says, for both builders.

Either everything that a run reaches, or no network but a door to a small proxy of the build's own (``gate``), which
leads to the package registries that the host's settings name and to the hosts that the operator adds, or nowhere. See
docs/decisions/0038-network-of-build-steps.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from actorium.builders import BuildFailed
from actorium.builders.process.host_environment import build_environment
from actorium.builders.process.npm_settings import npm_settings
from actorium.builders.process.output import Output
from actorium.builders.reach.defaults import Defaults
from actorium.builders.reach.gate import Gate
from actorium.builders.reach.hosts import Hosts, registries
from actorium.builders.reach.onward import Onward
from actorium.builders.way import OPEN, UNSET, Way
from actorium.kernel.limits import GATE_REFUSALS_TOLD_MAX

EVERYTHING, REGISTRIES, NOTHING = "everything", "registries", "nothing"
MODES = (EVERYTHING, REGISTRIES, NOTHING)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_TOLD_TO_NODE = {"NODE_USE_ENV_PROXY": "1"}
"""What lets Node's own clients use a proxy, from 22.21 and 24.5 on."""
_OF_NPM = ("NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY")


class Reach:
    """What the operator lets build steps reach."""

    def __init__(
        self,
        mode: str = EVERYTHING,
        *,
        hosts: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        defaults: Callable[[Mapping[str, str]], Defaults] = lambda _: Defaults(),
        is_only: bool = False,
    ) -> None:
        """``hosts`` are let through beside the registries that the settings in ``environment`` name, or the defaults
        where they name none. ``is_only``: this machine gives sandboxes no network, so that the proxy is all there is.
        """
        self._is_only = is_only and mode == EVERYTHING
        self.mode = mode = REGISTRIES if self._is_only else mode
        environment = environment or {}
        named: list[str] = []
        if mode == REGISTRIES:
            settings = _settings(environment)
            named = [*registries(*settings, more=defaults(environment).missing(*settings)), *hosts]
        self._hosts = Hosts(named)
        self._onward = Onward(environment)

    @asynccontextmanager
    async def opened(self, output: Output) -> AsyncIterator[Way]:
        """The way of one build, as long as that takes. What a failed one asked for in vain is added to its reason."""
        if self.mode == EVERYTHING:
            yield OPEN
            return
        why = "" if self._is_only else f" (ACTORIUM_BUILD_NETWORK is {self.mode})"
        output.line(f"The network of this build's steps: {self.told()}{why}.")
        refused: dict[str, None] = {}

        def note(host: str) -> None:
            if host not in refused and len(refused) < GATE_REFUSALS_TOLD_MAX:
                refused[host] = None
                known = f" ---> No way to {host} on this machine; see ACTORIUM_BUILD_HOSTS"
                output.line(known if self._is_only else f" ---> Kept from {host} by ACTORIUM_BUILD_NETWORK")

        async with Gate(self._hosts, self._onward, note) as port:
            address = f"http://127.0.0.1:{port}"
            names = [*_PROXIES, *(name.lower() for name in _PROXIES), *_OF_NPM]
            try:
                proxies = dict.fromkeys(names, address) | dict.fromkeys(UNSET, "") | _TOLD_TO_NODE
                yield Way(outward=False, door=port, proxies=proxies, is_only=self._is_only)
            except BuildFailed as error:
                if refused:
                    raise BuildFailed(f"{error.message}. {self._hint(refused)}", exit_code=error.exit_code) from error
                raise

    def told(self) -> str:
        """What it is, in words."""
        if self.mode == EVERYTHING:
            return "what runs reach, but the API"
        if self.mode == NOTHING:
            return "none"
        if not self._hosts.names:
            return "none, as pip, uv and npm of this machine name no registry; see ACTORIUM_BUILD_HOSTS"
        more = "; this machine has no other for them, see 'actorium doctor'" if self._is_only else ""
        return f"a proxy to {', '.join(self._hosts.names)}{more}"

    def _hint(self, refused: Iterable[str]) -> str:
        if self._is_only:
            asked = f"A step asked for {', '.join(refused)}, where nothing leads on this machine"
            return f"{asked}: ACTORIUM_BUILD_HOSTS can name it, and 'actorium doctor' says what the network lacks"
        asked = f"A step asked for {', '.join(refused)}, which ACTORIUM_BUILD_NETWORK={self.mode} keeps from it"
        if self.mode == NOTHING:
            return f"{asked}: registries or everything would let it"
        return f"{asked}: ACTORIUM_BUILD_HOSTS can name more hosts"


def _settings(environment: Mapping[str, str]) -> tuple[Mapping[str, str], str]:
    """The host's settings as build steps get them: variables, and npm's file."""
    variables, _ = build_environment(environment, folder="/")
    return variables, npm_settings(environment, folder="/").text
