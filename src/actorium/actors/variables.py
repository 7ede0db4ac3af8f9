"""Environment variables of a version: checked, merged with what is stored, secrets sealed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from actorium.actors.errors import CannotRenameEnvVar, EnvVarAlreadyExists, EnvVarMissing
from actorium.actors.model import EnvVar
from actorium.actors.row import StoredEnvVar
from actorium.actors.vault import Vault
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import ENV_NAME_CHARS_MAX, ENV_VALUE_CHARS_MAX, ENV_VARS_PER_VERSION_MAX
from actorium.kernel.structs import UNSET

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

Variables = tuple[StoredEnvVar, ...]


def shown(variables: Iterable[StoredEnvVar]) -> list[EnvVar]:
    """The variables as their owner may read them."""
    return [show(variable) for variable in variables]


def show(variable: StoredEnvVar) -> EnvVar:
    """One variable; a secret without its value."""
    value = UNSET if variable.is_secret else variable.value
    return EnvVar(name=variable.name, value=value, is_secret=variable.is_secret)


def find(variables: Variables, name: str) -> StoredEnvVar:
    """Raises EnvVarMissing."""
    for variable in variables:
        if variable.name == name:
            return variable
    raise EnvVarMissing(f"Environment variable {name!r} was not found.")


def replaced(stored: Variables, asked: Sequence[EnvVar], *, vault: Vault, subject: str) -> Variables:
    """A new list instead of the stored one; a variable without a value keeps the one it had."""
    known = {variable.name: variable for variable in stored}
    names = [variable.name for variable in asked]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"envVars has {name!r} twice.")
    return _counted(tuple(_written(known.get(entry.name), entry, vault=vault, subject=subject) for entry in asked))


def added(stored: Variables, asked: EnvVar, *, vault: Vault, subject: str) -> Variables:
    """The list with one more. Raises EnvVarAlreadyExists."""
    if any(variable.name == asked.name for variable in stored):
        raise EnvVarAlreadyExists
    return _counted((*stored, _written(None, asked, vault=vault, subject=subject)))


def updated(stored: Variables, name: str, asked: EnvVar, *, vault: Vault, subject: str) -> Variables:
    """The list with one changed. Raises EnvVarMissing, CannotRenameEnvVar."""
    before = find(stored, name)
    if asked.name != name:
        raise CannotRenameEnvVar
    after = _written(before, asked, vault=vault, subject=subject)
    return tuple(after if variable is before else variable for variable in stored)


def removed(stored: Variables, name: str) -> Variables:
    """The list without one. Raises EnvVarMissing."""
    gone = find(stored, name)
    return tuple(variable for variable in stored if variable is not gone)


def opened(variables: Iterable[StoredEnvVar], *, vault: Vault, subject: str) -> dict[str, str]:
    """Names and true values, for builds and runs only."""
    return {entry.name: _value(entry, vault=vault, subject=subject) for entry in variables}


def secrets(variables: Iterable[StoredEnvVar], *, vault: Vault, subject: str) -> tuple[str, ...]:
    """The secret values, to be masked in logs."""
    return tuple(vault.open(entry.value, subject=subject) for entry in variables if entry.is_secret)


def _value(entry: StoredEnvVar, *, vault: Vault, subject: str) -> str:
    return vault.open(entry.value, subject=subject) if entry.is_secret else entry.value


def _written(before: StoredEnvVar | None, asked: EnvVar, *, vault: Vault, subject: str) -> StoredEnvVar:
    _check(asked)
    is_secret = asked.is_secret if isinstance(asked.is_secret, bool) else before is not None and before.is_secret
    if isinstance(asked.value, str):
        value = asked.value
    elif before is None:
        raise InvalidInput(f"Environment variable {asked.name!r} has no value.")
    elif before.is_secret and not is_secret:
        raise InvalidInput(f"Environment variable {asked.name!r} is secret; send its value to make it readable.")
    elif before.is_secret:
        return before
    else:
        value = before.value
    return StoredEnvVar(
        name=asked.name, value=vault.seal(value, subject=subject) if is_secret else value, is_secret=is_secret
    )


def _check(asked: EnvVar) -> None:
    name = asked.name
    if len(name) > ENV_NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"Environment variable {name[:ENV_NAME_CHARS_MAX]!r} has a name that cannot be used: up to"
            f" {ENV_NAME_CHARS_MAX} letters, digits, '_', '.' and '-', not beginning with a digit, '.' or '-'."
        )
    if isinstance(asked.value, str) and (len(asked.value) > ENV_VALUE_CHARS_MAX or "\0" in asked.value):
        raise InvalidInput(
            f"Environment variable {name!r} has a value that cannot be used: up to {ENV_VALUE_CHARS_MAX} characters"
            " without NUL."
        )


def _counted(variables: Variables) -> Variables:
    if len(variables) > ENV_VARS_PER_VERSION_MAX:
        raise InvalidInput(f"A version can have at most {ENV_VARS_PER_VERSION_MAX} environment variables.")
    return variables
