"""Git repositories as sources, over smart HTTP on loopback and over a stand-in for ssh."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

import pytest

from actorium.builds.sources import Tree, git, growing
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.proxies import Proxies
from actorium.builds.sources.reach import Reach
from git_world import PATH, Fetching
from source_server import Repository, SourceServer, certificate_of, serving

pytestmark = pytest.mark.anyio


async def test_a_repository(server: SourceServer, actor: Repository, here: Fetching) -> None:
    tree = await here.tree(f"{server.url}/git/actor")
    assert set(tree.files) == {".gitattributes", "main.py", "run.sh", "actors/one/main.py", "actors/one/shared"}
    assert tree.files["main.py"] == b"print('main')"
    assert tree.files["actors/one/shared"] == b"one"
    assert tree.executable == {"run.sh"}
    commit = actor.git("rev-parse", "main")
    assert f"The commit is {commit}; it has 5 files" in here.said[-1]
    assert actor.git("rev-list", "--count", "main") == "2"
    ours = str(here.folder / "repository.git")
    assert actor.git("--git-dir", ours, "rev-list", "--all", "--count") == "1"  # without what came before


@pytest.mark.parametrize(
    ("what", "main"),
    [
        ("/.git#main", b"print('main')"), ("#feature/x", b"print('x')"), ("#v1", None), ("#main:actors/one", b"one"),
        ("#:actors/one/", b"one"), ("#{commit}", b"print('x')"),
    ],
)  # fmt: skip
async def test_branches_tags_commits_and_folders(
    server: SourceServer, actor: Repository, here: Fetching, what: str, main: bytes | None
) -> None:
    tree = await here.tree(f"{server.url}/git/actor{what.format(commit=actor.git('rev-parse', 'feature/x'))}")
    assert tree.files.get("main.py") == main
    if main is None:
        assert tree.files == {"old.txt": b"gone later"}
    if main == b"one":
        assert set(tree.files) == {"main.py", "shared"}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("actor#nope", "no branch and no tag 'nope'"), ("actor#" + "0" * 40, "has no commit"),
        ("actor#abcdef0", "all 40 digits"), ("actor#main:nope", "no folder 'nope'"),
        ("actor#main:main.py", "no folder"), ("nope", "is not there (404)"), ("actor#main:../..", "leads outside"),
    ],
)  # fmt: skip
async def test_what_is_not_there(server: SourceServer, actor: Repository, here: Fetching, what: str, told: str) -> None:
    assert told in await here.refused(f"{server.url}/git/{what}")


async def test_an_empty_repository(server: SourceServer, here: Fetching) -> None:
    Repository(server.repositories / "empty")
    assert "is empty" in await here.refused(f"{server.url}/git/empty")


async def test_a_login(
    server: SourceServer, actor: Repository, here: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.login = "me:pa55word"
    place = f"http://me:pa55word@127.0.0.1:{server.server_port}/git/actor"
    arguments: list[str] = []
    run = asyncio.create_subprocess_exec

    async def watched(*argv: str, **more: object) -> asyncio.subprocess.Process:
        arguments.extend([*argv, *map(str, more["env"].items())])  # type: ignore[attr-defined]
        return await run(*argv, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    assert (await here.tree(place)).files["main.py"] == b"print('main')"
    assert not [text for text in (*arguments, *here.said) if "pa55word" in text or "bWU6" in text]
    assert not [text for text in arguments if "of the server" in text]
    assert (here.folder / ".gitconfig").stat().st_mode & 0o077 == 0
    message = await here.refused(place.replace("pa55word", "wrong-pa55"))
    assert "wants a login (401)" in message
    assert "wrong-pa55" not in message


async def test_redirects_are_followed_once_checked(server: SourceServer, actor: Repository, here: Fetching) -> None:
    question = "/info/refs?service=git-upload-pack"
    server.pages["/old/info/refs"] = 301, {"Location": f"/git/actor{question}"}, b""
    assert (await here.tree(f"{server.url}/old#main")).files["main.py"] == b"print('main')"
    server.pages["/evil/info/refs"] = 301, {"Location": f"http://169.254.169.254/git/actor{question}"}, b""
    assert "not on the public internet" in await here.refused(f"{server.url}/evil")
    server.pages["/page/info/refs"] = 301, {"Location": "/login"}, b""
    server.pages["/login"] = 200, {"Content-Type": "text/html"}, b"<html>"
    assert "is no Git repository" in await here.refused(f"{server.url}/page")


async def test_through_a_proxy(server: SourceServer, actor: Repository, here: Fetching) -> None:
    async def nobody_knows(host: str, port: int) -> list[str]:
        raise OSError

    reach = Reach("", lookup=nobody_knows, proxies=Proxies({"http_proxy": server.url}))
    here.git = GitRepositories(reach, environment={"PATH": PATH}, ssh_key=None)
    assert (await here.tree("http://code.example/git/actor")).files["main.py"] == b"print('main')"
    assert {urlsplit(path).netloc for path, _ in server.asked} == {"code.example"}


async def test_over_tls(
    server: SourceServer, actor: Repository, here: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, with a certificate that only SSL_CERT_FILE vouches for."""
    certificate = here.folder.parent / "tls.pem"
    certificate.write_bytes(certificate_of("code.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def lookup(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with serving(server.repositories, tls=certificate) as safe:
        place = f"https://code.example:{safe.server_port}/git/actor#main"
        reach = Reach("127.0.0.1", lookup=lookup)
        environment = {"PATH": PATH, "SSL_CERT_FILE": str(certificate)}
        here.git = GitRepositories(reach, environment=environment, ssh_key=None)
        assert (await here.tree(place)).files["main.py"] == b"print('main')"
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "does not trust" in await here.refused(place)


async def test_git_itself_follows_no_redirect(server: SourceServer, actor: Repository, here: Fetching) -> None:
    """A server that answers our question and sends git elsewhere afterwards."""
    answered = 0

    class Turning(dict[str, object]):
        def __contains__(self, path: object) -> bool:
            nonlocal answered
            answered += path == "/git/actor/info/refs"
            return answered > 1

        def __getitem__(self, path: str) -> object:
            return 302, {"Location": f"http://127.0.0.1:{server.server_port}/elsewhere"}, b""

    server.pages = Turning()  # type: ignore[assignment]
    try:
        await here.refused(f"{server.url}/git/actor")
        assert not [path for path, _ in server.asked if path.startswith("/elsewhere")]
    finally:
        server.pages = {}


async def test_the_next_attempt_gets_the_same_commit(server: SourceServer, here: Fetching) -> None:
    made = Repository(server.repositories / "moving")
    made.write("main.py", "one")
    first = made.commit()
    place = f"{server.url}/git/moving/.git#main"
    assert (await here.tree(place)).files["main.py"] == b"one"
    made.write("main.py", "two")
    made.commit()
    (here.folder / "repository.git" / "shallow.lock").touch()  # of a git that was killed
    again = Fetching(here.folder)
    assert (await again.tree(place)).files["main.py"] == b"one"
    assert first in again.said[-1]
    (here.folder / "commit").write_text("0" * 40)
    assert (await again.tree(place)).files["main.py"] == b"two"
    assert "cannot be fetched again" in again.said[-2]


async def test_submodules_and_pointers_are_told(server: SourceServer, here: Fetching) -> None:
    inner, made = Repository(server.repositories / "inner"), Repository(server.repositories / "outer")
    inner.write("a", "1")
    commit = inner.commit()
    made.git("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    made.write("large", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n")
    made.git("add", "large")
    made.git("commit", "--quiet", "--message=x")
    assert set((await here.tree(f"{server.url}/git/outer/.git")).files) == {"large"}
    said = "\n".join(here.said)
    assert "The submodule 'sub' is left out" in said
    assert "1 files are pointers to Git LFS" in said


async def test_an_actor_among_others(server: SourceServer, here: Fetching) -> None:
    """Its folder alone is read, unless it refers to what lies beside it."""
    made = Repository(server.repositories / "many")
    made.write("shared/lib.py", "lib")
    made.write("actors/one/main.py", "one")
    made.write("actors/two/.actor/actor.json", '{"dockerContextDir": "../../..", "dockerfile": "./Dockerfile"}')
    made.write("actors/two/.actor/Dockerfile", "FROM x")
    made.write("actors/three/main.py", "three")
    (made.folder / "actors/three/lib.py").symlink_to("../../shared/lib.py")
    (made.folder / "broken").symlink_to("/nowhere")
    made.commit()
    place = f"{server.url}/git/many/.git#:actors"
    assert await here.tree(f"{place}/one") == Tree(files={"main.py": b"one"})
    two = await here.tree(f"{place}/two")
    assert two.root == "actors/two"
    assert {"shared/lib.py", "actors/one/main.py", "actors/two/.actor/Dockerfile"} < set(two.files)
    assert "broken" not in two.files
    assert "whole repository" in here.said[-2]
    assert await here.tree(f"{place}/three") == Tree(files={"main.py": b"three", "lib.py": b"lib"})
    assert "Replace the link" in await here.refused(f"{server.url}/git/many/.git")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "nowhere"])
async def test_links_that_lead_outside(server: SourceServer, here: Fetching, target: str) -> None:
    made = Repository(server.repositories / f"links{len(target)}")
    (made.folder / "link").symlink_to(target)
    made.commit()
    assert "Replace the link by a copy" in await here.refused(f"{server.url}/git/links{len(target)}/.git")


async def test_trees_with_names_that_no_checkout_has(server: SourceServer, here: Fetching) -> None:
    made = Repository(server.repositories / "names")
    blob = made.git("hash-object", "-w", "--stdin", given="x")
    for name, told in (("..", "leads outside"), ("a\\b", "backslash")):
        tree = made.git("mktree", given=f"100644 blob {blob}\t{name}\n")
        made.git("update-ref", "refs/heads/main", made.git("commit-tree", tree, "-m", "x"))
        assert told in await Fetching(here.folder / told).refused(f"{server.url}/git/names/.git")


async def test_a_tree_that_multiplies(
    server: SourceServer, actor: Repository, here: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten levels of ten equal folders: a handful of objects, ten billion files."""
    made = Repository(server.repositories / "bomb")
    blob = made.git("hash-object", "-w", "--stdin", given="x")
    tree, kind, mode = blob, "blob", "100644"
    for _ in range(10):
        entries = "".join(f"{mode} {kind} {tree}\tf{number}\n" for number in range(10))
        tree, kind, mode = made.git("mktree", given=entries), "tree", "040000"
    made.git("update-ref", "refs/heads/main", made.git("commit-tree", tree, "-m", "x"))
    monkeypatch.setattr(git, "GIT_LISTING_BYTES_MAX", 1_000_000)
    assert "more than 50000 files" in await here.refused(f"{server.url}/git/bomb/.git")
    assert (here.folder / "output").stat().st_size <= 1_000_000
    monkeypatch.setattr(git, "SOURCE_TREE_ENTRIES_MAX", 4)
    assert "files and folders" in await here.refused(f"{server.url}/git/actor")


async def test_what_is_too_large(server: SourceServer, here: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Repository(server.repositories / "large")
    (made.folder / "noise").write_bytes(os.urandom(200_000))
    made.write("zeros", "0" * 300_000)
    made.commit()
    place = f"{server.url}/git/large/.git"
    assert len((await here.tree(place)).files) == 2
    monkeypatch.setattr(git, "SOURCE_FETCH_BYTES_MAX", 100_000)
    assert "is too large" in await here.refused(place)
    monkeypatch.undo()
    for module in (git, growing):
        monkeypatch.setattr(module, "SOURCE_TREE_BYTES_MAX", 400_000)
    assert "when unpacked" in await here.refused(place)
