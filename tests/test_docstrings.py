"""The first line of a public docstring stands alone, in `help()` or an editor; a function's begins with a verb."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    ROOT / "main.py",
    *(file for name in ("vlp", "input_pipeline", "configs") for file in (ROOT / name).rglob("*.py")),
]
# What completes a signature and says nothing without it.
FRAGMENTS = {
    *("What", "Of", "In", "How", "Whether", "Which", "Where", "For", "From", "By", "Around", "Before", "To")
}
# What a class or a property may be called, and no function: that does something.
NOUNS = {
    *("The", "A", "An", "All", "One", "Every", "Each", "Any", "Some", "Both", "This", "Nothing", "Everything")
}
SPECIAL = {
    *("__init__", "__call__", "__getitem__", "__len__", "__iter__", "__enter__", "__exit__", "__str__")
}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, Definition]]:
    """Every definition that others may use, by its dotted name."""
    for node in body:
        if isinstance(node, Definition) and (not node.name.startswith("_") or node.name in SPECIAL):
            yield f"{inside}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{inside}{node.name}.")


def is_named_for_what_it_is(node: Definition) -> bool:
    decorators = {name for one in getattr(node, "decorator_list", ()) for name in ast.unparse(one).split(".")}
    return isinstance(node, ast.ClassDef) or bool(decorators & {"property", "cached_property", "Once"})


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_docstrings_begin_with_what_stands_alone(file: Path) -> None:
    wrong = []
    for name, node in public(ast.parse(file.read_text(encoding="utf-8")).body):
        line = (ast.get_docstring(node) or "").partition("\n")[0]
        first = line.split(" ")[0].rstrip(",:;")
        if first in FRAGMENTS or (first in NOUNS and not is_named_for_what_it_is(node)):
            wrong.append(f"{name}: {line}")
    assert not wrong, "begin with a verb: Returns, Yields, Tells whether, Holds what ..."
