"""How the text of a flag becomes a value of the config's type, with errors that say what was expected."""

from __future__ import annotations

import ast
import math
from typing import Any

from absl import flags
from ml_collections import config_flags
from ml_collections.config_flags import tuple_parser

from input_pipeline.errors import UserError


class IntegerParser(flags.ArgumentParser):
    """Whole numbers, also as 1e4 or 2.0."""

    def parse(self, argument: str | int) -> int:
        try:
            return int(argument)
        except ValueError:
            number = _float(argument)
            if number.is_integer():
                return int(number)
        raise UserError(f"expected a whole number, not '{argument}'")


class FloatParser(flags.ArgumentParser):
    """Finite numbers."""

    def parse(self, argument: str | float) -> float:
        number = _float(argument)
        if math.isfinite(number):
            return number
        raise UserError(f"expected a number, not '{argument}'")


class BooleanParser(flags.BooleanParser):
    """true or false."""

    def parse(self, argument: str | int) -> bool:
        try:
            return super().parse(argument)
        except (TypeError, ValueError):
            raise UserError(f"expected true or false, not '{argument}'") from None


class TupleParser(tuple_parser.TupleParser):
    """Values separated by commas: `1,5,10`, `val,test` or Python's `('val', 'test')`; nothing is ()."""

    def parse(self, argument: Any) -> tuple[Any, ...]:
        if not isinstance(argument, str):
            return super().parse(argument)
        value = _literal(argument)
        if isinstance(value, str):
            value = tuple(_literal(part.strip()) for part in argument.split(",") if part.strip())
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
        if holds_dict(value):
            raise ValueError(f"expected values separated by commas, and a dict is none, not '{argument}'")
        return value


def register() -> None:
    """Makes `--config.` flags use these parsers."""
    config_flags.register_flag_parser_for_type(int, IntegerParser())
    config_flags.register_flag_parser_for_type(float, FloatParser())
    config_flags.register_flag_parser_for_type(bool, BooleanParser())
    config_flags.register_flag_parser_for_type(tuple, TupleParser())


def like(value: tuple[Any, ...], default: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the tuple with its items converted to the type of the default's, as `0,1` to `(0.0, 1.0)`.

    Raises:
      ValueError: an item is of another type.
    """
    if not default:
        return value
    kind = type(default[0])
    if kind is float:
        value = tuple(float(item) if type(item) is int else item for item in value)
    for item in value:
        if type(item) is not kind:
            raise UserError(f"expected items of type {kind.__name__}, such as {default}, not {item!r}")
    return value


def holds_dict(value: Any) -> bool:
    """Tells whether there is a dict in tuples or lists, however deep: a config cannot hold one there."""
    items = value if isinstance(value, tuple | list) else ()
    return any(isinstance(item, dict) or holds_dict(item) for item in items)


def _literal(text: str) -> Any:
    """The Python value that the text writes, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _float(argument: str | float) -> float:
    try:
        return float(argument)
    except ValueError:
        return math.nan
