"""What can be wrong with a dataset or a reading of it."""

from __future__ import annotations

from actorium.kernel.errors import Invalid


class NoSuchView(Invalid):
    """The dataset's schema has no view of this name."""

    type = "requested-dataset-view-does-not-exist"


class NoColumns(Invalid):
    """There are no columns to export: the chosen items are empty. Choose other items or fields, or format=json."""

    type = "no-columns-in-exported-dataset"


class NoSchema(Invalid):
    """The dataset has no schema, so there are no views of it and no statistics of its fields."""

    type = "dataset-does-not-have-schema"


class NoFieldsSchema(Invalid):
    """The dataset's schema has no fields, so there are no statistics of them."""

    type = "dataset-does-not-have-fields-schema"
