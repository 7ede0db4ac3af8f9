"""Asking a Git server over HTTP first, by our own client: where it is in the end, and what keeps it from answering.

Git would follow redirects to addresses that nobody has checked, and falls back to an old way of asking without bounds.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from actorium.builders import BuildFailed
from actorium.builds.sources.address import GitAddress, HttpAddress, shown
from actorium.builds.sources.reach import Reach

_QUESTION = "/info/refs?service=git-upload-pack"
_ANSWER = "application/x-git-upload-pack-advertisement"


async def final_address(reach: Reach, address: GitAddress) -> GitAddress:
    """The address after all redirects. Raises BuildFailed."""
    from actorium.builds.sources.web import Web  # its client takes a while to import; most builds need none

    asked = HttpAddress(
        url=address.url.rstrip("/") + _QUESTION, host=address.host, port=address.port, user=address.user,
        password=address.password,
    )  # fmt: skip
    async with Web(reach).opened(asked, {"Git-Protocol": "version=2"}) as (final, response):
        place = shown(address.url)
        if response.status in (401, 403):
            raise BuildFailed(
                f"The repository {place} wants a login ({response.status}), or is not there: hosts do not tell these"
                " apart. Correct its address, or put a token into it: https://USER:TOKEN@HOST/PATH."
            )
        if response.status != 200:
            raise BuildFailed(f"The repository {place} is not there ({response.status}). Correct its address.")
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if kind != _ANSWER or not final.url.endswith(_QUESTION):
            raise BuildFailed(f"What answers at {place} is no Git repository. Correct its address.")
    return replace(
        address, url=final.url.removesuffix(_QUESTION), host=urlsplit(final.url).hostname or final.host,
        port=final.port, user=final.user, password=final.password,
    )  # fmt: skip
