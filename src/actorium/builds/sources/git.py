"""Git repositories and gists as sources: one commit is fetched and read object by object; nothing is checked out."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builds.sources import Log, Tree
from actorium.builds.sources.address import GitAddress, git_address, shown
from actorium.builds.sources.git_process import GitFailed, GitProcess
from actorium.builds.sources.git_web import final_address
from actorium.builds.sources.growing import Growing, LeadsOut, too_large, too_many
from actorium.builds.sources.reach import Reach
from actorium.builds.sources.shape import refers_out
from actorium.kernel.limits import (
    GIT_LISTING_BYTES_MAX,
    SOURCE_FETCH_BYTES_MAX,
    SOURCE_PATH_CHARS_MAX,
    SOURCE_TREE_BYTES_MAX,
    SOURCE_TREE_ENTRIES_MAX,
)

_OURS = "refs/actorium/source"
_LINK, _SUBMODULE, _EXECUTABLE = "120000", "160000", "100755"
_LARGE_FILES = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES_MAX = 1024
_LINES_SHOWN = 3  # of what git says
_PRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff]")


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object_id: str
    size: int
    path: str


class GitRepositories:
    """Fetches from Git repositories."""

    def __init__(self, reach: Reach, *, environment: Mapping[str, str], ssh_key: Path | None) -> None:
        """``environment``: the server's own, where git, proxies and certificates are found. ``ssh_key``: a file."""
        self._reach = reach
        self._environment = environment
        self._ssh_key = ssh_key

    async def fetch(self, place: str, folder: Path, log: Log) -> Tree:
        """The files of one commit. ``folder`` is empty, or what an attempt before has left. Raises BuildFailed."""
        address = git_address(place)
        kept = folder / "commit"
        known = kept.read_text() if kept.exists() else None
        git = GitProcess(
            folder, environment=self._environment, ssh_key=self._ssh_key, known_hosts=folder.parent / "known_hosts"
        )
        log(f"Fetching {shown(address.url)}{_wish(address)}.")
        try:
            address = await self._reached(address, git)
            commit = await _fetched(git, address, known, log)
            await asyncio.to_thread(kept.write_text, commit)
            tree = await _read(git, commit, address.folder, log)
        except GitFailed as error:
            raise _explained(error.said, address) from error
        size = sum(len(content) for content in tree.files.values())
        log(f"The commit is {commit}; it has {len(tree.files)} files of {size} bytes{_where(address)}.")
        return tree

    async def _reached(self, address: GitAddress, git: GitProcess) -> GitAddress:
        """The address that answers in the end, looked up once, so that what was checked is what is asked."""
        if not address.is_ssh:
            address = await final_address(self._reach, address)
        elif self._ssh_key is None:
            raise BuildFailed(
                "Repositories over ssh need a deploy key. Whoever runs this server sets ACTORIUM_GIT_SSH_KEY to the"
                " file of one; a public repository can be fetched over https:// without."
            )
        elif not self._ssh_key.is_file():
            raise BuildFailed(f"ACTORIUM_GIT_SSH_KEY is {self._ssh_key}, where no file is. Put the deploy key there.")
        proxy = None if address.is_ssh else self._reach.proxies.of(address.url)
        if proxy is not None:  # it looks the host up; our own question went through it as well
            git.configure(address, host_address=None, proxy=proxy)
        else:
            git.configure(address, host_address=(await self._reach.addresses(address.host, address.port))[0])
        return address


async def _fetched(git: GitProcess, address: GitAddress, known: str | None, log: Log) -> str:
    """Fetch one commit, without its history; its hash."""
    await asyncio.to_thread(shutil.rmtree, git.repository, ignore_errors=True)  # a dead server's may hold locks
    await git.run("init", "--quiet", "--bare", "--template=", str(git.repository))
    if known is not None:
        try:
            return await _fetch(git, address, known)
        except GitFailed:
            log(f"The commit {known} of the attempt before cannot be fetched again; what is there now is taken.")
    if address.is_commit:
        return await _fetch(git, address, address.reference)
    return await _fetch(git, address, await _reference(git, address))


async def _reference(git: GitProcess, address: GitAddress) -> str:
    """The full name of the branch or tag that is meant."""
    if not address.reference:
        return "HEAD"
    names = [f"refs/heads/{address.reference}", f"refs/tags/{address.reference}"]
    listed = (await git.run("ls-remote", "--quiet", "--", address.url, *names)).read_text("utf-8", "replace")
    there = {line.partition("\t")[2] for line in listed.splitlines()}
    for name in names:
        if name in there:
            return name
    hint = " A commit needs all 40 digits of its hash." if re.fullmatch("[0-9a-f]{4,39}", address.reference) else ""
    raise BuildFailed(
        f"The repository {shown(address.url)} has no branch and no tag {address.reference!r}. Correct what follows the"
        f" '#' in its address.{hint}"
    )


async def _fetch(git: GitProcess, address: GitAddress, wanted: str) -> str:
    await git.run(
        "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force", "--", address.url,
        f"{wanted}:{_OURS}", bytes_max=SOURCE_FETCH_BYTES_MAX,
    )  # fmt: skip
    return (await git.run("rev-parse", "--verify", "--end-of-options", f"{_OURS}^{{commit}}")).read_text().strip()


async def _read(git: GitProcess, commit: str, folder: str, log: Log) -> Tree:
    """The files in a folder of the commit; all of the commit's, with the folder as root, if it refers to them."""
    try:
        tree = await _tree(git, await _entries(git, commit, folder), log)
    except LeadsOut:
        if not folder:
            raise
        tree = None
    if tree is not None and not refers_out(tree, folder):
        return tree
    log(f"Something in {folder} refers to files outside of it: the whole repository is read.")
    whole = await _tree(git, await _entries(git, commit, ""), log, within=folder)
    tree = whole.below(folder)
    return replace(whole, root=folder) if refers_out(tree, folder) else tree


async def _entries(git: GitProcess, commit: str, folder: str) -> list[_Entry]:
    """What the commit's folder holds."""
    try:
        listed = await git.run(
            "ls-tree",
            "-r",
            "-z",
            "-l",
            "--end-of-options",
            f"{commit}:{folder}",
            bytes_max=GIT_LISTING_BYTES_MAX,
        )
    except GitFailed as error:
        if _too_large(error.said):
            raise too_many() from error
        if folder:
            raise BuildFailed(
                f"The repository has no folder {folder!r} at {commit}. Correct what follows the second ':' of"
                " '#branch:folder' in its address."
            ) from error
        raise
    return await asyncio.to_thread(_parsed, listed)


def _parsed(listed: Path) -> list[_Entry]:
    lines = listed.read_bytes().split(b"\0")[:-1]
    if len(lines) > SOURCE_TREE_ENTRIES_MAX:
        raise too_many()
    entries = []
    for line in lines:
        about, _, path = line.partition(b"\t")
        mode, _, object_id, size = about.decode("ascii").split()
        entries.append(
            _Entry(mode, object_id, 0 if size == "-" else int(size), path.decode("utf-8", "surrogateescape"))
        )
    if sum(entry.size for entry in entries) > SOURCE_TREE_BYTES_MAX:
        raise too_large()
    return entries


async def _tree(git: GitProcess, entries: Sequence[_Entry], log: Log, *, within: str = "") -> Tree:
    for entry in entries:
        if entry.mode == _SUBMODULE:
            log(f"The submodule {entry.path!r} is left out; what it holds is not fetched.")
    files = [entry for entry in entries if entry.mode != _SUBMODULE]
    asked = "".join(f"{object_id}\n" for object_id in dict.fromkeys(entry.object_id for entry in files))
    content_max = SOURCE_TREE_BYTES_MAX + 100 * SOURCE_TREE_ENTRIES_MAX
    output = await git.run("cat-file", "--batch", "--buffer", given=asked, bytes_max=content_max)
    tree, pointers = await asyncio.to_thread(_grown, files, output, within)
    if pointers:
        log(f"{pointers} files are pointers to Git LFS, whose content is not fetched; the build gets the pointers.")
    return tree


def _grown(files: Sequence[_Entry], output: Path, within: str) -> tuple[Tree, int]:
    """The tree of files whose contents Git has written one after the other, and how many of them are mere pointers."""
    contents: dict[str, bytes] = {}
    with output.open("rb") as file:
        while head := file.readline(SOURCE_PATH_CHARS_MAX):
            object_id, kind, *size = head.split()
            if kind != b"blob":
                raise BuildFailed("The repository is damaged: a file of the commit is missing. Push it again.")
            contents[object_id.decode()] = file.read(int(size[0]))
            file.read(1)  # the end of the line
    growing, pointers = Growing(), 0
    for entry in files:
        content = contents[entry.object_id]
        if entry.mode == _LINK:
            growing.link(entry.path, content[: SOURCE_PATH_CHARS_MAX + 1].decode("utf-8", "surrogateescape"))
            continue
        pointers += len(content) < _POINTER_BYTES_MAX and content.startswith(_LARGE_FILES)
        growing.file(entry.path, content, executable=entry.mode == _EXECUTABLE)
    return growing.tree(within=within), pointers


def _explained(said: str, address: GitAddress) -> BuildFailed:
    """What Git's words mean for whoever builds."""
    place = shown(address.url)
    if _too_large(said):
        return BuildFailed(
            f"The repository {place} is too large: one commit may have {SOURCE_FETCH_BYTES_MAX // 1_048_576} MB as it"
            " is sent. Take large files out of it."
        )
    if "Permission denied" in said or "Authentication failed" in said or "could not read Username" in said:
        return BuildFailed(f"The repository {place} does not let this server in. Add its deploy key there.")
    if "Host key verification failed" in said:
        return BuildFailed(
            f"The host of {place} has another key than before. If that is right, whoever runs this server deletes"
            " sources/known_hosts in its data folder."
        )
    if "couldn't find remote ref HEAD" in said:
        return BuildFailed(f"The repository {place} is empty. Push the Actor's files to it.")
    if "not our ref" in said or "unadvertised object" in said:
        return BuildFailed(f"The repository {place} has no commit {address.reference!r}. Correct its address.")
    lines = [_PRINTABLE.sub("?", line) for line in said.splitlines() if line.strip()]
    return BuildFailed(
        f"The repository {place} could not be fetched: {' / '.join(lines[-_LINES_SHOWN:])[:500] or 'git said nothing'}."
        " Correct its address, or try again later."
    )


def _too_large(said: str) -> bool:
    """Whether a limit has ended git, or the part of it that takes in what is sent."""
    marks = (f"signal {signal.SIGXFSZ:d}", "file too large", "out of memory", "invalid index-pack output")
    return any(mark in said.lower() for mark in marks)


def _wish(address: GitAddress) -> str:
    return f", {'commit' if address.is_commit else 'branch or tag'} {address.reference}" if address.reference else ""


def _where(address: GitAddress) -> str:
    return f" in the folder {address.folder}" if address.folder else ""
