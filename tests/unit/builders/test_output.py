"""What becomes of a step's output before it is in the log."""

from __future__ import annotations

from actorium.builders.process.output import Output, credentials
from actorium.kernel.limits import LOG_LINE_BYTES_MAX

SECRET = "pass-word-of-the-index"


def written(*pieces: bytes) -> bytes:
    said: list[bytes] = []
    output = Output(said.append, secrets=credentials([f"https://user:{SECRET}@index.example/simple"]))
    for piece in pieces:
        output.piece(piece)
    output.end()
    return b"".join(said)


def test_lines_come_whole_and_without_the_passwords_of_the_host() -> None:
    assert written(b"a\nget https://us", b"er:pass-word", b"-of-the-index@x\nrest") == (
        b"a\nget https://user:***@x\nrest\n"
    )


def test_a_password_is_masked_also_where_a_long_line_is_cut() -> None:
    for before in range(LOG_LINE_BYTES_MAX - len(SECRET) - 1, LOG_LINE_BYTES_MAX + 2):
        line = b"x" * before + SECRET.encode() + b"y" * 100
        for pieces in ([line], [line[:LOG_LINE_BYTES_MAX], line[LOG_LINE_BYTES_MAX:]]):
            text = written(*pieces, b"\n").replace(b"\n", b"")
            assert text == b"x" * before + b"***" + b"y" * 100
