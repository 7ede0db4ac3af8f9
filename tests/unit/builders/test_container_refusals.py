"""What a Dockerfile may not ask of an engine, and whose the caches are that it mounts."""

from __future__ import annotations

import re

import pytest

from actorium.builders.container.refusals import own_caches, refuse, refuse_triggers, sources
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
    for trigger in ("ADD http://127.0.0.1/ /x", "COPY --from=sha256:1 / /x"):
        with pytest.raises(DockerfileError):
            refuse_triggers([trigger], heredocs=False)


def test_caches_are_their_owners() -> None:
    text = (
        "FROM one\nRUN --mount=type=cache,target=/c \\\n  --mount=type=tmpfs,target=/t true\n"
        "RUN --mount=type=cache,id=../../etc,target=/c,sharing=locked echo --mount=type=cache\n"
    )
    first, again, other = (own_caches(text, parse(text), owner) for owner in ("a", "a", "b"))
    assert first == again != other
    names = re.findall(r"id=([0-9a-f]{32})", first)
    assert len(set(names[:2])) == 2
    assert "--mount=type=tmpfs,target=/t true" in first
    assert "target=/c,sharing=locked,id=" in first
    assert ".." not in first


def test_a_mount_that_is_broken_over_lines() -> None:
    text = "FROM one\nRUN --mount=type=ca\\\nche,target=/c true\n"
    with pytest.raises(DockerfileError, match="write each in one piece"):
        own_caches(text, parse(text), "a")
