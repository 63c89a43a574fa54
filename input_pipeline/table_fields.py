"""Side tables as batch fields: values of records, of the fixed view of an image that is shown, or of its texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.fields import Field, TableValue, TextViews
from input_pipeline.tables import Table, load_table
from input_pipeline.visits import Visit


def table_field(
    name: str, data: Mapping[str, Any], text_views: Mapping[str, Callable[[], Field]]
) -> TableValue:
    """Builds the field of an entry of `data.tables`.

    Args:
      name: of the entry.
      data: the config's `data` section.
      text_views: by name, what builds them.

    Raises:
      ValueError: the table cannot be read, or its values are of what the data do not show.
    """
    table = load_table(name, data["tables"][name])
    if not table.of_what:
        return TableValue(table)
    if table.of_what == "image":
        _check_variants(table, data.get("variants", 0))
        return TableValue(table, _variant)
    if table.of_what == "text":
        return TableValue(table, _text)
    where = f"data.tables.{name}.of='{table.of_what}'"
    if table.of_what not in text_views:
        known = ", ".join(("image", "text", *text_views))
        raise UserError(f"{where} is not one of {known}: name what its values are of")
    texts = text_views[table.of_what]()
    if not isinstance(texts, TextViews):
        raise UserError(f"{where} is a view of wrong texts, of which no table has values")
    return TableValue(table, _Drawn(texts), texts.count)


def _check_variants(table: Table, count: int) -> None:
    if not 0 < count <= table.views:
        raise UserError(
            f"data.tables.{table.name} has values of {table.views} fixed views of an image, and data.variants={count}: "
            f"set it from 1 to {table.views}, so that there is one of each view that is shown"
        )


def _variant(visit: Visit) -> Sequence[str]:
    return (str(visit.variant),)


def _text(visit: Visit) -> Sequence[str]:
    return (visit.text,)


@dataclass(frozen=True)
class _Drawn:
    """The texts that a view shows in a visit: the same dice roll the same."""

    view: TextViews

    def __call__(self, visit: Visit) -> Sequence[str]:
        return [text for text, _ in self.view.show(visit)]
