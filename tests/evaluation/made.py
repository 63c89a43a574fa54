"""Evaluators as a config would make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from configs.settings.kinds import entries, kind_file

T = TypeVar("T")


def made(evaluator: type[T], data: Mapping[str, Any], **settings: Any) -> T:
    """An evaluator with the defaults of its kind where nothing else is said; on no set if none is named."""
    path = f"{evaluator.__module__}:{evaluator.__name__}"
    (kind,) = [one for one in entries("evaluators") if path == kind_file("evaluators", one).CLASS]
    entry = {**entries("evaluators")[kind], "sets": (), "name": kind, **settings}
    return evaluator(data=data, **{name: value for name, value in entry.items() if name != "kind"})
