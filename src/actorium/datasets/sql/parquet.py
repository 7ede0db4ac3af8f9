"""``format=parquet``: the items go to a box as JSON lines, and the file comes out of it."""

from __future__ import annotations

from actorium.datasets.formats.json_texts import JsonLines

MEDIA_TYPE = "application/vnd.apache.parquet"


class Parquet(JsonLines):
    """What a box reads, under the name of what it makes."""

    media_type = MEDIA_TYPE
    extension = "parquet"
