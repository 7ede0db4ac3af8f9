"""What of the host reaches build steps and the log; the pip command; the Dockerfile of those who bring none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process.default_dockerfile import default_dockerfile
from actorium.builders.process.dockerfile import parse
from actorium.builders.process.host_environment import build_environment, without_logins
from actorium.builders.process.output import Output, credentials
from actorium.builders.process.pip_shim import is_configured, translate, uv_environment
from actorium.kernel.limits import LOG_BYTES_MAX, LOG_LINE_BYTES_MAX


def test_only_listed_variables_reach_steps(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text("ca")
    variables, files = build_environment(
        {
            "HOME": str(tmp_path), "PATH": "/x", "ACTORIUM_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "s",
            "PIP_INDEX_URL": "https://mirror.invalid/simple", "HTTPS_PROXY": "http://proxy.invalid", "UV_OFFLINE": "",
            "COREPACK_INTEGRITY_KEYS": "0",
            "SSL_CERT_FILE": str(certificate), "CURL_CA_BUNDLE": "/usr/share/ca.pem", "PIP_CERT": "/nowhere/x.pem",
            "PIP_FIND_LINKS": "/opt/wheels file:///opt https://links.invalid/",
        },
        folder="/in",
        etc=tmp_path,
    )  # fmt: skip
    assert variables == {
        "PIP_INDEX_URL": "https://mirror.invalid/simple",
        "HTTPS_PROXY": "http://proxy.invalid",
        "COREPACK_INTEGRITY_KEYS": "0",
        "SSL_CERT_FILE": "/in/SSL_CERT_FILE.pem",
        "CURL_CA_BUNDLE": "/usr/share/ca.pem",
        "PIP_FIND_LINKS": "https://links.invalid/",
    }
    assert files == {"/in/SSL_CERT_FILE.pem": certificate}


def test_pips_own_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    indexes = "index-url = https://a.invalid\nextra-index-url =\n    https://b.invalid\n    https://c.invalid\n"
    path.write_text(f"[global]\n{indexes}user = yes\n")
    variables, _ = build_environment(
        {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://over.invalid"}, folder="/in", etc=tmp_path
    )
    assert variables["PIP_INDEX_URL"] == "https://over.invalid"
    assert variables["PIP_EXTRA_INDEX_URL"] == "https://b.invalid https://c.invalid"
    assert "PIP_USER" not in variables
    path.write_text("nonsense")
    assert "PIP_EXTRA_INDEX_URL" not in build_environment({"HOME": str(tmp_path)}, folder="/in", etc=tmp_path)[0]


def test_uv_trusts_the_machines_authorities_as_pip_does(tmp_path: Path) -> None:
    """Its own list lacks that of a company's network; a server that is a service has no variable that names it."""
    assert "UV_SYSTEM_CERTS" not in build_environment({}, folder="/in", etc=tmp_path)[0]
    (tmp_path / "ssl/certs").mkdir(parents=True)
    (tmp_path / "ssl/certs/ca-certificates.crt").touch()
    assert build_environment({}, folder="/in", etc=tmp_path)[0]["UV_SYSTEM_CERTS"] == "1"
    for chosen in ({"SSL_CERT_FILE": "/usr/share/ca.pem"}, {"UV_NATIVE_TLS": "0"}):
        assert "UV_SYSTEM_CERTS" not in build_environment(chosen, folder="/in", etc=tmp_path)[0]


def test_the_certificate_that_pip_is_told_is_uvs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", "/ca.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert uv_environment()["SSL_CERT_FILE"] == "/ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", "/own.pem")
    assert uv_environment()["SSL_CERT_FILE"] == "/own.pem"


def test_logins_of_indexes_are_no_variables() -> None:
    plain, netrc = without_logins(
        {
            "PIP_INDEX_URL": "https://me:p%40ss@mirror.invalid:8443/simple",
            "PIP_EXTRA_INDEX_URL": "https://other.invalid https://token@third.invalid/x https://you:no@mirror.invalid/2",
            "UV_INDEX": "name=https://a:b%20c@spaced.invalid/",
            "HTTPS_PROXY": "http://me:pass@proxy.invalid",
        }
    )
    assert plain == {
        "PIP_INDEX_URL": "https://mirror.invalid:8443/simple",
        "PIP_EXTRA_INDEX_URL": "https://other.invalid https://token@third.invalid/x https://mirror.invalid/2",
        "UV_INDEX": "name=https://a:b%20c@spaced.invalid/",
        "HTTPS_PROXY": "http://me:pass@proxy.invalid",
    }
    assert netrc == "machine mirror.invalid login me password p@ss\n"


@pytest.mark.parametrize(
    ("arguments", "translated"),
    [
        ("install six", "pip install -- six"),
        ("install -r requirements.txt", "pip install --requirement=requirements.txt --"),
        (
            "install --no-cache-dir -rrequirements.txt",
            "pip install --requirement=requirements.txt --",
        ),
        ("install --requirement=a -c b c", "pip install --requirement=a --constraint=b -- c"),
        (
            "install -U pip setuptools>=1",
            "pip install --upgrade-package=pip --upgrade-package=setuptools -- pip setuptools>=1",
        ),
        ("install -U -r a", "pip install --requirement=a --upgrade --"),
        ("install --force-reinstall -e .", "pip install --reinstall --editable=. --"),
        ("install --upgrade ./a.whl", "pip install --upgrade -- ./a.whl"),
        ("install -i https://x.invalid a", "pip install --default-index=https://x.invalid -- a"),
        ("install --no-compile a", "pip install -- a"),
        ("freeze", "pip freeze"),
        ("freeze --all", None),
        ("install", None),
        ("install --user a", None),
        ("install --prefer-binary a", None),
        ("install -r", None),
        ("download a", None),
        ("--version", None),
        ("", None),
    ],
)
def test_pip_is_translated_only_where_uv_does_the_same(arguments: str, translated: str | None) -> None:
    found = translate(arguments.split())
    assert found == (translated.split() if translated is not None else None)


@pytest.mark.parametrize(
    ("name", "value", "is_read"),
    [
        ("PIP_INDEX_URL", "https://x.invalid", False),
        ("PIP_NO_CACHE_DIR", "1", False),
        ("PIP_TARGET", "/deps", True),
        ("PIP_NO_DEPS", "1", True),
        ("PIP_NO_DEPS", "", False),
        ("PIP_CONFIG_FILE", "/dev/null", False),
        ("PIP_CONFIG_FILE", __file__, True),
        ("PYTHON_PIP_VERSION", "24", False),
    ],
)
def test_pip_itself_is_used_where_variables_say_what_uv_does_not_read(
    name: str, value: str, is_read: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _nothing_is_configured(monkeypatch, tmp_path)
    monkeypatch.setenv(name, value)
    assert is_configured() is is_read


@pytest.mark.parametrize("file", [".pip/pip.conf", ".config/pip/pip.conf", "xdg/pip/pip.conf"])
def test_pip_itself_is_used_where_a_file_configures_it(
    file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _nothing_is_configured(monkeypatch, tmp_path)
    if file.startswith("xdg"):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert not is_configured()
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("[global]\nindex-url = https://own.invalid/simple\n")
    assert is_configured()


def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for each in [name for name in os.environ if name.startswith("PIP_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(each)
    monkeypatch.setenv("HOME", str(home))
    is_file = Path.is_file  # this machine's own settings are none of the image's
    monkeypatch.setattr(Path, "is_file", lambda path: not path.is_relative_to("/etc") and is_file(path))


def test_output_is_whole_lines() -> None:
    calls: list[bytes] = []
    output = Output(calls.append)
    for piece in (b"a", b"b\nc\nd", b"", b"e"):
        output.piece(piece)
    output.line("own")
    output.piece(b"\xff\n")
    output.end()
    assert calls == [b"ab\nc\n", b"de\n", b"own\n", b"\xff\n"]


def test_output_is_bounded() -> None:
    calls: list[bytes] = []
    output = Output(calls.append)
    output.piece(b"x" * (3 * LOG_LINE_BYTES_MAX))
    assert max(map(len, calls)) <= LOG_LINE_BYTES_MAX + 1
    for _ in range(200):
        output.piece(b"y" * 99_999 + b"\n")
    assert sum(map(len, calls)) < LOG_BYTES_MAX + 200_000
    assert b"".join(calls).endswith(b"the rest is not kept.\n")
    kept = len(calls)
    output.line("more")
    assert len(calls) == kept


def test_passwords_of_indexes_are_not_shown() -> None:
    calls: list[bytes] = []
    secrets = credentials(["https://user:pa55@index.invalid/simple", "https://token@x.invalid", "plain"])
    assert secrets == {"pa55", "token"}
    Output(calls.append, secrets=secrets).piece(b"Looking in https://user:pa55@index.invalid/simple\n")
    assert calls == [b"Looking in https://user:***@index.invalid/simple\n"]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (["src/__main__.py"], '["python", "-m", "src"]'),
        (["my_actor/__main__.py", "my_actor/main.py"], '["python", "-m", "my_actor"]'),
        (["main.py"], '["python", "main.py"]'),
        (["src/__main__.py", "tool/__main__.py", "requirements.txt", "package.json"], '["python", "-m", "src"]'),
    ],
)
def test_default_dockerfile(files: list[str], command: str) -> None:
    text = default_dockerfile(dict.fromkeys(files, b""), minor="3.12")
    found = parse(text).instructions
    assert (found[0].rest, found[-1].rest) == ("apify/actor-python:3.12", command)
    assert ("requirements.txt" in text) == ("requirements.txt" in files)


@pytest.mark.parametrize(("files", "installs"), [(["main.js"], False), (["package.json", "src/main.js"], True)])
def test_default_dockerfile_of_javascript(files: list[str], installs: bool) -> None:
    text = default_dockerfile(dict.fromkeys(files, b""), minor="3.12")
    assert parse(text).instructions[0].rest == "apify/actor-node:24"
    assert ("npm install" in text) == installs
    assert "CMD" not in text  # the base's own


def test_no_default_for_others() -> None:
    with pytest.raises(BuildFailed, match="looks like no Actor that is known here"):
        default_dockerfile({"x": b""}, minor="3.12")


@pytest.mark.parametrize(
    ("package", "others", "command"),
    [
        ('{"name": "x"}', ["main.js"], 'CMD ["node", "main.js"]\n'),
        ('{"main": "./src/a.js", "scripts": {"test": "x"}}', ["main.js", "src/a.js"], 'CMD ["node", "src/a.js"]\n'),
        ('{"scripts": {"start": "node x"}}', ["main.js"], "COPY . ./\n"),
        ('{"main": "gone.js"}', ["index.js"], "COPY . ./\n"),
        ("{}", ["main.js", "server.js"], "COPY . ./\n"),
        ("{", ["main.js"], "COPY . ./\n"),
        ('{"scripts": null}', ["main.js"], "COPY . ./\n"),
    ],
)
def test_a_package_that_does_not_say_how_it_starts_is_started(package: str, others: list[str], command: str) -> None:
    """npm start ended it without a word in the log."""
    files = {"package.json": package.encode()} | dict.fromkeys(others, b"")
    assert default_dockerfile(files, minor="3.12").endswith(command)
