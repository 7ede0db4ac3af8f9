"""What each instruction does to a stage: one small function per instruction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from actorium.builders import BuildFailed
from actorium.builders.process import mounts
from actorium.builders.process.bases import NEEDS_ENGINE
from actorium.builders.process.dockerfile import DockerfileError, Instruction
from actorium.builders.process.downloads import MODE
from actorium.builders.process.modes import changed, is_mode
from actorium.builders.process.state import SHELL, StageState
from actorium.builders.process.steps import Action, CopyStep, FetchStep, FolderStep, RunStep
from actorium.builders.process.system_packages import system_packages_missing, system_packages_without
from actorium.builders.process.variables import split_words

LACKS = (
    "{what}: this machine has no {lacking}. Whoever runs it can install that here; or let Docker or Podman build, with "
    "ACTORIUM_EXECUTOR=container: then it is installed in the image."
)
Outcome: TypeAlias = tuple[Action | None, tuple[str, ...]]
_RUN_FILE = 'f=$(mktemp) && printf %s "$1" >"$f" && chmod +x "$f" && "$f"; code=$?; rm -f "$f"; exit $code'
_WEB = ("http://", "https://")
_ADDRESSES = (*_WEB, "git@", "ssh://", "git://")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


def act(instruction: Instruction, state: StageState, aliases: Mapping[str, int]) -> Outcome:
    """The instruction's action and notes; changes the state. Raises ``DockerfileError`` and ``ExpansionError``."""
    if instruction.keyword in ("COPY", "ADD"):
        return _copy(instruction, state, aliases)
    if instruction.keyword == "RUN":
        return _run(instruction, state, aliases)
    return _ACTIONS[instruction.keyword](instruction, state)


def _run(instruction: Instruction, state: StageState, aliases: Mapping[str, int]) -> Outcome:
    shown, notes = mounts.read(instruction, state, aliases)
    command = instruction.rest
    if instruction.json_form is not None:
        argv = instruction.json_form
        if not argv:
            raise DockerfileError(instruction.line, "RUN needs a command")
    else:
        command = _with_heredocs(instruction)
        # A script that names its interpreter is a file that is run, whatever SHELL says.
        is_file = instruction.heredocs and command is instruction.heredocs[0].content and command.startswith("#!")
        argv = (*SHELL, _RUN_FILE, instruction.heredocs[0].name, command) if is_file else (*state.shell, command)
    asked = " ".join(argv) if instruction.json_form else command
    if (missing := system_packages_missing(asked)) is not None:
        what = f"RUN {missing.command} (line {instruction.line})"
        lacking = ", ".join(missing.packages)
        raise BuildFailed(LACKS.format(what=what, lacking=lacking) if lacking else NEEDS_ENGINE.format(what=what))
    if without := system_packages_without(asked):
        notes.append(f"this machine has no {', '.join(without)}: only compiling against it would need that")
    step = RunStep(
        argv=argv, env=state.run_env(), workdir=state.workdir, command=command, mounts=tuple(shown),
        is_cut_off=instruction.flag("network") == "none",
    )  # fmt: skip
    return step, tuple(notes)


def _with_heredocs(instruction: Instruction) -> str:
    """The shell reads a heredoc itself; one that is the whole instruction is the script."""
    if not instruction.heredocs:
        return instruction.rest
    first = instruction.heredocs[0]
    if instruction.rest.lstrip("0123456789").lstrip("<-").strip("\"'") == first.name:
        return first.content
    tail = "".join(f"{each.content}{each.name}\n" for each in instruction.heredocs)
    return f"{instruction.rest.replace('<<-', '<<')}\n{tail}"


def _copy(instruction: Instruction, state: StageState, aliases: Mapping[str, int]) -> Outcome:
    keyword, line = instruction.keyword, instruction.line
    words = list(instruction.json_form) if instruction.json_form is not None else instruction.rest.split()
    if len(words) < 2:
        raise DockerfileError(line, f"{keyword} needs a source and a destination")
    *sources, target = words
    names = {each.name for each in instruction.heredocs}
    texts = tuple(
        (each.name, state.expand_text(each.content) if each.expands else each.content) for each in instruction.heredocs
    )
    plain = tuple(state.expand(word) for word in sources if not _names_heredoc(word, names))
    place = state.absolute(state.expand(target))
    if any(source.startswith(_ADDRESSES) for source in plain):
        return _fetch(instruction, state, plain, place)
    if len(plain) + len(texts) > 1 and not place.endswith("/"):
        raise DockerfileError(line, f"{keyword} with more than one source needs a destination that ends with /")
    notes = [f"--{name} has no effect here" for name in ("link", "checksum") if instruction.flag(name) is not None]
    if instruction.flag("chown") is not None:
        notes.append("--chown has no effect: every file belongs to the Actor's own user")
    if instruction.flag("keep-git-dir") is not None:
        raise DockerfileError(line, f"{keyword} --keep-git-dir is not supported without a container engine")
    source_stage = instruction.flag("from")
    step = CopyStep(
        sources=plain,
        target=place,
        stage=aliases[source_stage.lower()] if source_stage is not None else None,
        mode=_mode(instruction, state),
        unpack=keyword == "ADD",
        inline=texts,
        exclude=tuple(state.expand(value) for name, value in instruction.flags if name == "exclude"),
        parents=instruction.flag("parents") not in (None, "false"),
    )
    return step, tuple(notes)


def _fetch(instruction: Instruction, state: StageState, sources: tuple[str, ...], place: str) -> Outcome:
    line, url = instruction.line, sources[0]
    if instruction.keyword != "ADD" or len(sources) > 1:
        raise DockerfileError(line, "an address stands alone in an ADD: write one for each")
    if not url.startswith(_WEB) or urlsplit(url).path.removesuffix("/").endswith(".git"):
        raise DockerfileError(line, "ADD of a Git repository is not supported: use RUN git clone instead")
    if instruction.flag("unpack") not in (None, "false"):
        raise DockerfileError(line, "ADD --unpack of an address is not supported: unpack it in a RUN")
    checksum = state.expand(instruction.flag("checksum") or "").lower()
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise DockerfileError(line, f"--checksum={checksum[:80]} must be sha256: and 64 digits")
    mode = _mode(instruction, state)
    return FetchStep(url=url, target=place, mode=MODE if mode is None else changed(MODE, mode), checksum=checksum), ()


def _names_heredoc(word: str, names: set[str]) -> bool:
    return word.startswith("<<") and word.lstrip("<-").strip("\"'") in names


def _mode(instruction: Instruction, state: StageState) -> str | None:
    text = instruction.flag("chmod")
    if text is None:
        return None
    text = state.expand(text)
    if not is_mode(text):
        raise DockerfileError(
            instruction.line, f"--chmod={text[:80]} must be an octal number such as 755, or a change such as u+x"
        )
    return text


def _env(instruction: Instruction, state: StageState) -> Outcome:
    changes = dict(state.pairs(instruction.rest))  # all are read before any is set, as Docker does
    if any(not name or "\0" in name or "=" in name for name in changes):
        raise DockerfileError(instruction.line, "a variable's name is empty or not valid")
    state.env |= changes
    return None, ()


def _arg(instruction: Instruction, state: StageState) -> Outcome:
    state.declare(instruction.rest)
    return None, ()


def _workdir(instruction: Instruction, state: StageState) -> Outcome:
    path = state.expand(instruction.rest.strip())
    if not path:
        raise DockerfileError(instruction.line, "WORKDIR is empty")
    return FolderStep(path=state.move(path)), ()


def _user(instruction: Instruction, state: StageState) -> Outcome:
    home = state.become(state.expand(instruction.rest.strip()))
    step = FolderStep(path=home) if home is not None else None
    return step, (f"USER {state.user}: the Actor always runs as a user of its own, without rights on this machine",)


def _command(instruction: Instruction, state: StageState) -> tuple[str, ...]:
    if instruction.json_form is not None:
        return instruction.json_form
    return (*state.shell, instruction.rest) if instruction.rest else ()


def _cmd(instruction: Instruction, state: StageState) -> Outcome:
    state.cmd, state.cmd_is_own = _command(instruction, state), True
    return None, ()


def _entrypoint(instruction: Instruction, state: StageState) -> Outcome:
    state.entrypoint = _command(instruction, state)
    if not state.cmd_is_own:
        state.cmd = ()
    return None, ()


def _shell(instruction: Instruction, state: StageState) -> Outcome:
    state.shell = instruction.json_form or state.shell
    return None, ()


def _label(instruction: Instruction, state: StageState) -> Outcome:
    dict(state.pairs(instruction.rest))  # only to say what is wrong with it
    return None, ()


def _volume(instruction: Instruction, state: StageState) -> Outcome:
    words = instruction.json_form if instruction.json_form is not None else split_words(instruction.rest)
    paths = [state.absolute(state.expand(word)).rstrip("/") for word in words]
    if not paths or not all(paths):
        raise DockerfileError(instruction.line, "VOLUME needs the path of a folder")
    step = FolderStep(path=paths[0], more=tuple(paths[1:]), is_entered=False)
    return step, ("VOLUME is a folder here; what is written to it is gone with the run",)


def _nothing(_instruction: Instruction, _state: StageState) -> Outcome:
    return None, ()


def _no_effect(instruction: Instruction, _state: StageState) -> Outcome:
    return None, (f"{instruction.keyword} has no effect here",)


_ACTIONS: Mapping[str, Callable[[Instruction, StageState], Outcome]] = {
    "ENV": _env,
    "ARG": _arg,
    "WORKDIR": _workdir,
    "USER": _user,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "SHELL": _shell,
    "LABEL": _label,
    "MAINTAINER": _nothing,
    "EXPOSE": _nothing,
    "STOPSIGNAL": _no_effect,
    "VOLUME": _volume,
    "HEALTHCHECK": _no_effect,
    "ONBUILD": _no_effect,
}
