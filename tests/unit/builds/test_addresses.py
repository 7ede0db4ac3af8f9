"""Addresses of sources: read, refused, shown without secrets, and where they may lead."""

from __future__ import annotations

import pytest

from actorium.actors.errors import SourcePathInvalid
from actorium.builders import BuildFailed
from actorium.builds.sources.address import branch_of, git_address, http_address, secrets_of, shown
from actorium.builds.sources.proxies import Proxies
from actorium.builds.sources.reach import Reach, Refused
from actorium.builds.sources.records import Records

A = "a" * 40


@pytest.mark.parametrize(
    ("text", "url", "reference", "folder"),
    [
        ("https://host.example/me/it", "https://host.example/me/it", "", ""),
        (" https://host.example/me/it.git#main ", "https://host.example/me/it.git", "main", ""),
        ("https://host.example/it#feature/x:actors/one/", "https://host.example/it", "feature/x", "actors/one"),
        ("https://host.example/it#:actors", "https://host.example/it", "", "actors"),
        ("https://host.example/it#main:", "https://host.example/it", "main", ""),
        ("https://me:pa55@host.example:8443/it#v1.2", "https://host.example:8443/it", "v1.2", ""),
        ("git@host.example:me/it.git#main", "git@host.example:me/it.git", "main", ""),
        ("ssh://git@host.example:2222/it.git#" + A, "ssh://git@host.example:2222/it.git", A, ""),
    ],
)
def test_repositories(text: str, url: str, reference: str, folder: str) -> None:
    address = git_address(text)
    assert (address.url, address.reference, address.folder) == (url, reference, folder)
    assert address.is_commit == (reference == A)
    assert "pa55" not in repr(address)
    assert branch_of(text.strip()) == (reference or None)


@pytest.mark.parametrize(
    "text",
    [
        "", "here", "/srv/repo.git", "./repo", "file:///srv/repo.git", "ext::sh -c id", "ext::sh%20-c%20id", "fd::17",
        "--upload-pack=id", "-oProxyCommand=id", "ssh://-oProxyCommand=id/x", "ssh://git@-oProxyCommand=id/x",
        "git@-oProxyCommand=id:x", "-u@host:x", "git@host:-x", "ssh://git:pa55@host.example/x", "git://host.example/x",
        "https://host.example/it?a=1", "https://host.example/a b", "https://host.example/a\nb", "https:///it",
        "https://host.example:port/it", "http://[::1/it", "https://host.example/'it", "ftp://host.example/it",
        "https://host.example/it#a..b", "https://host.example/it#--upload-pack=id", "https://host.example/it#a b",
        "https://host.example/it#a*", "https://host.example/it#a^{}", "https://host.example/it#" + "a" * 256,
    ],
)  # fmt: skip
def test_repositories_that_are_refused(text: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        git_address(text)
    assert "pa55" not in caught.value.message


@pytest.mark.parametrize("folder", ["..", "a/../../b", "a\\b"])
def test_folders_that_lead_outside(folder: str) -> None:
    with pytest.raises(SourcePathInvalid):
        git_address(f"https://host.example/it#main:{folder}")


def test_addresses_of_the_web() -> None:
    address = http_address("https://me:w%40rd@HOST.example/a%20b.zip?signature=1#part")
    assert address.url == "https://HOST.example/a%20b.zip?signature=1"
    assert (address.host, address.port, address.user, address.password) == ("host.example", 443, "me", "w@rd")
    for wrong in ("there", "file:///etc/passwd", "https://", "javascript:x", "https://a b/", "http://h:99999/"):
        with pytest.raises(BuildFailed):
            http_address(wrong)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://me:word@host/a.zip?signature=word#word", "https://host/a.zip"),
        ("https://word@host/a", "https://host/a"),
        ("https://me:wo@rd@host/a", "https://host/a"),
        ("me:word@host/a?word", "host/a"),
        ("git@host:me/it", "git@host:me/it"),
        ("https://host/\nFAKE LINE", "https://host/_FAKE LINE"),
    ],
)
def test_nothing_secret_is_shown(text: str, safe: str) -> None:
    assert shown(text) == safe


def test_what_logs_must_not_show() -> None:
    assert secrets_of("https://me:w%40rd@host/a?signature=abcdef&x=1&y=none") == ("w%40rd", "w@rd", "abcdef")
    assert secrets_of("https://token@host/a") == ("token",)
    assert secrets_of("ssh://git@host/a") == secrets_of("git@host:a") == secrets_of("") == secrets_of("http://[") == ()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254",
    ],
)  # fmt: skip
def test_addresses_out_of_reach(address: str) -> None:
    assert not Reach().permits(address)
    assert Reach("0.0.0.0/0,::/0").permits(address)


def test_what_the_owner_allows() -> None:
    reach = Reach("10.1.2.0/24, 127.0.0.1")
    assert reach.permits("10.1.2.200")
    assert reach.permits("::ffff:10.1.2.200")
    assert not reach.permits("10.1.3.1")
    assert not reach.permits("127.0.0.2")
    assert Reach().permits("93.184.215.14")
    assert Reach().permits("2606:2800:220:1::1")


@pytest.mark.anyio
async def test_names_are_what_they_resolve_to() -> None:
    async def lookup(host: str, port: int) -> list[str]:
        if host == "nowhere.example":
            raise OSError
        return {"inside.example": ["10.0.0.7"], "both.example": ["10.0.0.7", "93.184.215.14"]}[host]

    reach = Reach(lookup=lookup)
    assert await reach.addresses("both.example", 443) == ["93.184.215.14"]
    with pytest.raises(Refused) as caught:
        await reach.addresses("inside.example", 443)
    assert "ACTORIUM_SOURCE_NETWORKS" in caught.value.message
    assert "10.0.0.7" not in caught.value.message
    with pytest.raises(BuildFailed, match="was not found"):
        await reach.addresses("nowhere.example", 443)
    for numeral in ("2130706433", "0x7f.1", "127.1"):  # ways to write a loopback address
        with pytest.raises(BuildFailed):
            await Reach().addresses(numeral, 80)


def test_proxies() -> None:
    proxies = Proxies(
        {"https_proxy": "http://p:3128", "HTTP_PROXY": "p:8080", "NO_PROXY": "localhost, .inside.example"}
    )
    assert proxies.of("https://host.example/x") == "http://p:3128"
    assert proxies.of("http://host.example/x") == "http://p:8080"
    for exempt in ("http://localhost/", "https://inside.example/", "https://git.Inside.example/"):
        assert proxies.of(exempt) is None
    assert Proxies({"https_proxy": "p", "no_proxy": "*"}).of("https://host.example") is None
    assert Proxies({}).of("https://host.example") is None


def test_which_addresses_are_records_of_this_server() -> None:
    async def read(*_: object, **__: object) -> None: ...

    records = Records(read, own=["http://127.0.0.1:8010", "https://actors.example/base"])  # type: ignore[arg-type]
    path = "/v2/key-value-stores/abc/records/version-0.1.zip"
    assert records.path_of(f"http://127.0.0.1:8010{path}?disableRedirect=true&signature=s") == (
        "abc", "version-0.1.zip", "s",
    )  # fmt: skip
    assert records.path_of(f"https://ACTORS.example:443/base{path}") == ("abc", "version-0.1.zip", None)
    assert records.path_of("http://127.0.0.1:8010/v2/key-value-stores/me~it/records/a%2Fb") == ("me~it", "a/b", None)
    for other in (
        f"http://127.0.0.1:8011{path}", f"https://127.0.0.1:8010{path}", f"https://actors.example{path}",
        f"http://127.0.0.1:8010/x{path}", f"http://127.0.0.1:8010{path}/more", f"http://127.0.0.1:8010.evil{path}",
        f"http://127.0.0.1:8010@evil.example{path}", "http://127.0.0.1:8010/v2/users/me", "there", "http://[",
    ):  # fmt: skip
        assert records.path_of(other) is None, other
