"""The Dockerfile parser: forms people write, mistakes they make, and anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.builders.process.dockerfile import FLAGS, DockerfileError, Heredoc, Instruction, parse


def one(text: str) -> Instruction:
    """The instruction after a FROM."""
    return parse(f"FROM x\n{text}").instructions[1]


def test_a_usual_file() -> None:
    found = parse(
        "# First, the base.\nFROM apify/actor-python:3.13 AS app\n\nCOPY requirements.txt ./\n"
        'RUN echo one \\\n # a comment between\n\n && echo two\nCMD ["python", "-m", "src"]\n'
    )
    assert [(each.keyword, each.line) for each in found.instructions] == [
        ("FROM", 2), ("COPY", 4), ("RUN", 5), ("CMD", 9),
    ]  # fmt: skip
    assert found.instructions[2].rest == "echo one  && echo two"
    assert found.instructions[3].json_form == ("python", "-m", "src")


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("COPY --chown=a:b --chmod=755 x y", (("chown", "a:b"), ("chmod", "755")), "x y"),
        ("COPY --link x y", (("link", ""),), "x y"),
        ("COPY --from=builder /a /b", (("from", "builder"),), "/a /b"),
        (
            "RUN --mount=type=cache,target=/root/.cache pip list",
            (("mount", "type=cache,target=/root/.cache"),),
            "pip list",
        ),
        ("RUN -- echo x", (), "echo x"),
        ("RUN echo --from=x", (), "echo --from=x"),
        ("CMD --verbose", (), "--verbose"),
        ("HEALTHCHECK --interval=5s CMD true", (("interval", "5s"),), "CMD true"),
    ],
)
def test_flags(text: str, flags: tuple[tuple[str, str], ...], rest: str) -> None:
    assert (one(text).flags, one(text).rest) == (flags, rest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD []", ()),
        ("CMD ['a']", None),  # single quotes are no JSON: the shell gets it, as with Docker
        ('CMD ["a", 1]', None),
        ('CMD ["a"', None),
        ("CMD a b", None),
        ('COPY ["a b", "c"]', ("a b", "c")),
        ('cmd [ "a" ]', ("a",)),
    ],
)
def test_json_form(text: str, words: tuple[str, ...] | None) -> None:
    assert one(text).json_form == words


def test_heredocs() -> None:
    found = one("RUN <<EOF\necho $A\n# not a comment\nEOF\nRUN true")
    assert found.heredocs == (Heredoc(name="EOF", content="echo $A\n# not a comment\n", expands=True),)
    quoted = one("COPY <<'A' <<\"B\" /x/\none\nA\ntwo\nB\n")
    assert [(each.name, each.content, each.expands) for each in quoted.heredocs] == [
        ("A", "one\n", False), ("B", "two\n", False),
    ]  # fmt: skip
    assert one("RUN <<-EOF\n\t\tx\n\tEOF").heredocs[0].content == "x\n"
    assert one("RUN python3 <<EOF > out\nprint(1)\nEOF").rest == "python3 <<EOF > out"
    assert one("RUN cat << EOF").heredocs == ()
    assert one("RUN echo 'a <<EOF'").heredocs == ()


def test_directives_and_escape() -> None:
    found = parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN a `\n  b\nCOPY c:\\ d:\\\n")
    assert found.escape == "`"
    assert [each.rest for each in found.instructions[1:]] == ["a   b", "c:\\ d:\\"]
    assert parse("# a comment\n# escape=`\nFROM x").escape == "\\"


def test_line_ends_and_bom() -> None:
    assert [each.rest for each in parse("\ufeffFROM x\r\nRUN a \\\r\n b\r\n").instructions] == ["x", "a  b"]
    assert parse("FROM x\nRUN a \\").instructions[1].rest == "a"
    assert parse("FROM x\n\tRUN\ta").instructions[1].rest == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile: it has no instruction"),
        ("# only a comment", "Dockerfile: it has no instruction"),
        ("RUN x", "Dockerfile line 1: FROM must come before anything but ARG"),
        ("ARG X\n", "Dockerfile line 1: FROM must come before anything but ARG"),
        ("FROM x\n\nRUM y", "Dockerfile line 3: unknown instruction RUM; did you mean RUN?"),
        ("FROM x\nWORKDIR", "Dockerfile line 2: WORKDIR needs an argument"),
        ("FROM x\nCOPY --form=a b c", "Dockerfile line 2: COPY has no flag --form=a"),
        ("FROM x\nWORKDIR --x y", "Dockerfile line 2: WORKDIR has no flag --x; it knows none"),
        ("FROM x\nRUN <<EOF\nnever", "Dockerfile line 2: the heredoc <<EOF is never closed"),
        ("FROM x\nSHELL /bin/sh", "Dockerfile line 2: SHELL must be written as a JSON array"),
        ("# escape=x\nFROM x", "Dockerfile line 1: escape must be"),
        ("# escape=`\n# escape=`\nFROM x", "Dockerfile line 2: the directive escape is given twice"),
        ("FROM x\nRUN a\0b", "Dockerfile line 2: it contains a NUL character"),
        ("FROM x\nRUN " + "a" * 300_000, "Dockerfile: it is larger than"),
        ("FROM x\n" + "RUN a\n" * 600, "Dockerfile line 501: there are more than 500 instructions"),
    ],
)
def test_mistakes_name_their_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert caught.value.message.startswith(message)


_PIECES = st.sampled_from(
    [
        *FLAGS,
        "\n",
        "\n",
        " ",
        "\\\n",
        "<<EOF",
        "EOF\n",
        "--from=",
        "--mount=",
        "[",
        '"a"',
        "]",
        ",",
        "'",
        '"',
        "#",
        "=",
        "$X",
        "`",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=5), max_size=60).map("".join))
def test_nothing_but_its_own_error(text: str) -> None:
    for source in (text, f"FROM x\n{text}"):
        try:
            found = parse(source)
        except DockerfileError as error:
            assert error.message.startswith("Dockerfile")
        else:
            assert found.instructions
            assert all(1 <= each.line <= source.count("\n") + 1 for each in found.instructions)
