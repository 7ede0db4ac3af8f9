"""What a Dockerfile may not ask of an engine, and whose the caches are that it mounts."""

from __future__ import annotations

import re

import pytest

from actorium.builders.container.refusals import own_mount, refuse, refuse_triggers, sources
from actorium.builders.process.dockerfile import DockerfileError, parse

LEADS_OUT = [
    ("ADD http://127.0.0.1:8010/v2 /x", "fetched by the engine"),
    ('ADD ["https://x.invalid/a", "/x"]', "fetched by the engine"),
    ("ADD --chmod=600 ht${NOTHING}tp://127.0.0.1/ /x", "fetched by the engine"),
    ("ADD http:\\//127.0.0.1/ /x", "fetched by the engine"),
    ("ADD git@x.invalid:a /x", "fetched by the engine"),
    ("ADD x.invalid/a.git#main /x", "fetched by the engine"),
    ("ONBUILD ADD http://127.0.0.1/ /x", "fetched by the engine"),
    ("ONBUILD ONBUILD ADD http://127.0.0.1/ /x", "fetched by the engine"),
    ("RUN --network=host true", "--network=host leads out"),
    ("ONBUILD RUN --network=host true", "--network=host leads out"),
    ("RUN --security=insecure true", "--security=insecure leads out"),
    ("RUN --mount=type=bind,from=x,source=/,target=/y true", "--mount of files is refused"),
    ("RUN --mount=target=/y true", "--mount of files is refused"),
    ("RUN --mount=type=cache,target=/y,source=../.. true", "--mount of files is refused"),
    ("ONBUILD RUN --mount=type=cache,target=/y true", "ONBUILD RUN --mount is refused"),
    ("RUN <<E\nADD http://127.0.0.1/ /x\nE", "heredocs need"),
    ("COPY --from=$X /x /x", "--from takes no variables"),
    ('ADD ["http://127.0.0.1/","/x"]x', "fetched by the engine"),  # read as JSON up to the bracket by engines
    ('RUN --mount=type=cache,target=/x\\" --network=host echo "x y', "without quotes, spaces and escapes"),
    ('ONBUILD RUN --mount=type=cache,target=/x\\" --network=host echo "x y', "without quotes, spaces and escapes"),
]


@pytest.mark.parametrize(("line", "why"), LEADS_OUT)
def test_what_leads_out_of_a_build_is_refused(line: str, why: str) -> None:
    parsed = parse(f"FROM one\n{line}\n")
    with pytest.raises(DockerfileError, match=f"Dockerfile line 2: .*{re.escape(why)}"):
        refuse(parsed, heredocs=False)
        list(sources(parsed.instructions[1]))


def test_what_stays_in_the_build_is_not() -> None:
    text = (
        "FROM one\nADD a.tar.gz b ${HOME}/\nADD --chown=1:1 x /y\nRUN --network=none true\nRUN curl http://x.invalid\n"
        "RUN --mount=type=tmpfs,target=/t true\nONBUILD RUN true\nCOPY --from=0 a b\n"
    )
    refuse(parse(text), heredocs=False)
    refuse(parse("FROM one\nRUN <<E\ntrue\nE\n"), heredocs=True)


def test_triggers_of_a_base_image() -> None:
    refuse_triggers(["COPY . .", "RUN true"], heredocs=False)
    for trigger in ("ADD http://127.0.0.1/ /x", "COPY --from=sha256:1 / /x", "COPY --from=1 / /x"):
        with pytest.raises(DockerfileError):
            refuse_triggers([trigger], heredocs=False)


def test_caches_are_their_owners() -> None:
    first, again, other = (own_mount("type=cache,target=/c", owner) or "" for owner in ("a", "a", "b"))
    assert first == again != other
    assert re.fullmatch("type=cache,target=/c,id=[0-9a-f]{32}", first)
    named = own_mount("type=cache,id=../../etc,target=/c,sharing=locked", "a") or ""
    assert re.fullmatch("type=cache,target=/c,sharing=locked,id=[0-9a-f]{32}", named)
    assert named[-32:] != first[-32:]


@pytest.mark.parametrize("mount", ["type=secret,id=x,required", "type=secret,id=,target=", "type=ssh,id=x"])
def test_mounts_of_secrets_are_left_away(mount: str) -> None:
    """There are none to be had, and with some of these Podman's service ended for everybody."""
    assert own_mount(mount, "a") is None


def test_an_option_of_a_mount_that_is_given_twice_stands_there_once() -> None:
    """Podman takes the first type that it reads."""
    assert own_mount("type=bind,type=tmpfs,target=/t,ro", "a") == "type=tmpfs,target=/t,ro"


def test_triggers_are_read_one_by_one() -> None:
    """One that ends as if it went on in the next hid it: its own Dockerfile had another mark for that."""
    with pytest.raises(DockerfileError, match="fetched by the engine"):
        refuse_triggers(["RUN true \\", "ADD http://127.0.0.1/ /x"], heredocs=False)
