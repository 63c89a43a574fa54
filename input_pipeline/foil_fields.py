"""Wrong texts as a batch field: foils of what `text` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.fields import TextViews
from input_pipeline.views.foils import RULES, foils, read_confusable
from input_pipeline.visits import Visit

CONFUSABLE = "confusable"


@dataclass(frozen=True)
class Foils(TextViews):
    """NAME int32 [b, count, length] and NAME_mask: texts that are wrong of the record; the text itself where there are
    too few."""

    rule: str
    confusable: str

    def show(self, visit: Visit) -> list[tuple[str, str]]:
        dice, prefix = visit.roll(self.name), self.prefixes[visit.source]
        wrong = foils(self.rule, visit.text, visit.record, dice, self.count, self.confusable)
        return [(text, prefix) for text in wrong]


def check_foils(rule: str, confusable: str, where: str) -> None:
    """Refuses rules that there are not, and a file that is missing or not asked for.

    Args:
      rule: names with + between.
      confusable: the file.
      where: the view in the config.

    Raises:
      ValueError: says what there is.
    """
    names = rule.split("+")
    if unknown := [name for name in names if name not in (*RULES, CONFUSABLE)]:
        known = ", ".join((*RULES, CONFUSABLE))
        raise UserError(
            f"{where}.foils='{rule}': '{unknown[0]}' is not one of {known}, or several with + between"
        )
    if (CONFUSABLE in names) != bool(confusable):
        raise UserError(
            f"{where}.foils='{rule}' and {where}.confusable='{confusable}' belong together: name the file that "
            "--job=describe --config.describe.confusable=3 writes, and 'confusable' among the foils, or neither"
        )
    if confusable:
        read_confusable(confusable)


def foil_settings(view: dict[str, Any]) -> Mapping[str, str]:
    """Takes what says which foils a view shows out of its settings."""
    return {"rule": view.pop("foils"), "confusable": view.pop("confusable")}
