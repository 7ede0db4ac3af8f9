"""Which folders and files an image may have: bounds, so that no path of one is an error of the machine."""

from __future__ import annotations

from actorium.builders.process.dockerfile import DockerfileError
from actorium.builders.process.patterns import NAME_BYTES_MAX
from actorium.kernel.limits import IMAGE_PATH_CHARS_MAX, IMAGE_PATH_DEPTH_MAX

PATH_RULE = f"at most {IMAGE_PATH_DEPTH_MAX} folders and {IMAGE_PATH_CHARS_MAX} characters"


def checked_place(line: int, path: str) -> None:
    """A destination or WORKDIR that an image can have. Raises ``DockerfileError``."""
    shown = repr(path if len(path) <= 80 else f"{path[:80]}...")
    try:
        longest = max(len(part.encode()) for part in path.split("/"))
    except UnicodeEncodeError:
        raise DockerfileError(line, f"the path {shown} is not valid Unicode") from None
    if "\0" in path:
        raise DockerfileError(line, f"the path {shown} contains a NUL character")
    if longest > NAME_BYTES_MAX:
        raise DockerfileError(line, f"the path {shown} has a name of {longest} bytes; {NAME_BYTES_MAX} are possible")
    if path.count("/") > IMAGE_PATH_DEPTH_MAX or len(path) > IMAGE_PATH_CHARS_MAX:
        raise DockerfileError(line, f"the path {shown} is too deep or too long: {PATH_RULE} are possible")
