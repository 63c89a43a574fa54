"""The house rules of docs/architecture.md: which way imports run, and how large a room may be."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vlp", "input_pipeline", "configs")

# A part of vlp may import the parts on its own line and those on the lines below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("main",),
    ("vlp.command",),
    ("vlp.cli",),
    ("vlp.jobs",),
    ("vlp", "vlp.runs"),
    (
        *(
            "vlp.keeping",
            "vlp.loading",
            "vlp.model",
            "vlp.pixels",
            "vlp.scoring",
            "vlp.writing",
            "vlp.encoding",
            "vlp.prompting",
            "vlp.active",
            "vlp.training",
            "vlp.evaluation",
            "vlp.clustering",
            "vlp.neighbours",
            "vlp.embeddings",
            "vlp.curation",
        ),
        *("vlp.interop", "vlp.planning"),
    ),
    ("vlp.pretrainer", "vlp.checkpoint", "vlp.parts"),
    ("vlp.objectives", "vlp.selection"),
    ("vlp.encodings", "vlp.parallel", "vlp.processes"),
    ("vlp.given", "vlp.stored"),
    ("vlp.configuration",),
    (
        "vlp.models",
        "vlp.kernels",
        "vlp.randomness",
        "vlp.path_rules",
        "vlp.huge_pages",
        "vlp.beside",
        "vlp.methods",
    ),
)
LAUNCH = tuple(
    f"vlp.processes{part}" for part in ("", ".launcher", ".heartbeat", ".home", ".lost", ".sentinel")
)
# Leaves of the input pipeline that know no data: whatever writes a file or shows an address may use them.
FOR_ALL = tuple(
    f"input_pipeline.{leaf}"
    for leaf in (
        "errors",
        "whole_files",
        "kinds",
        "addresses",
        "buckets",
        "patterns",
        "sources.remote",
        "verified_labels",
        "views.class_names",
        "views.patches",
    )
)
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
TOWER_KINDS = frozenset(file.stem for file in (ROOT / "configs/settings/towers").glob("[a-z]*.py"))


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the program by dotted name."""
    files = [ROOT / "main.py", *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))]
    return {dotted(file): file for file in files}


def dotted(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The dotted names a module imports, inside functions too."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules() else str(node.module) for name in names}
    return frozenset(found)


def pairs() -> Iterator[tuple[str, str]]:
    """Every (importer, imported)."""
    return ((module, name) for module in modules() for name in sorted(imports(module)))


def under(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(module: str) -> int:
    """The line of LAYERS that names the module or the nearest package around it."""
    places = {part: line for line, parts in enumerate(LAYERS) for part in parts}
    name = module
    while name not in places or (name == "vlp" and module != "vlp"):
        assert "." in name, f"{module} stands in no line of LAYERS: give it a place"
        name = name.rpartition(".")[0]
    return places[name]


def test_imports_of_vlp_run_downwards() -> None:
    upward = [
        f"{importer} imports {imported}"
        for importer, imported in pairs()
        if under(importer, "main", "vlp")
        and under(imported, "main", "vlp")
        and layer(importer) > layer(imported)
    ]
    assert not upward


def test_imports_make_no_circle() -> None:
    graph = {module: {name for name in imports(module) if name in modules()} for module in modules()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"imports run in a circle: {' -> '.join(error.args[1])}")


# What a package may never import, by the name of the rule.
FORBIDDEN: dict[str, Callable[[str, str], bool]] = {
    "the input pipeline knows neither jax nor vlp": lambda importer, imported: (
        under(importer, "input_pipeline")
        and under(imported, "jax", "jaxlib", "flax", "optax", "orbax", "vlp", "configs", "main")
    ),
    "only runs, jobs and whoever reads users' data join the input pipeline to vlp": lambda importer, imported: (
        under(importer, "main", "vlp")
        and under(imported, "input_pipeline")
        and not under(imported, *FOR_ALL)
        and not under(
            importer,
            *("vlp.jobs", "vlp.runs", "vlp.embeddings", "vlp.curation", "vlp.interop"),
            *("vlp.model", "vlp.loading", "vlp.keeping"),
        )
    ),
    "configs stand alone": lambda importer, imported: (
        under(importer, "configs")
        and not under(imported, "configs", "ml_collections", *sys.stdlib_module_names)
    ),
    "only config files and vlp.configuration import a config": lambda importer, imported: (
        under(imported, "configs") and not under(importer, "configs", "vlp.configuration")
    ),
    "what runs before the devices start loads no jax": lambda importer, imported: (
        (
            importer
            in ("main", "vlp", "vlp.command", "vlp.cli", "vlp.jobs", "vlp.huge_pages", "vlp.beside", *LAUNCH)
            or under(importer, "vlp.configuration", "vlp.models.families")
            or importer in ("vlp.models.sizes", "vlp.models.flops")
        )
        and under(imported, "jax", "jaxlib", "flax", "optax", "orbax", "grain")
    ),
    "kernels know no model, no mesh, no method": lambda importer, imported: (
        under(importer, "vlp.kernels") and under(imported, "vlp") and not under(imported, "vlp.kernels")
    ),
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_forbidden_imports(rule: str) -> None:
    broken = [
        f"{importer} imports {imported}"
        for importer, imported in pairs()
        if FORBIDDEN[rule](importer, imported)
    ]
    assert not broken


# They fill a folder that has another name until it is complete.
ASIDE = ("vlp/checkpoint/arrays.py", "vlp/checkpoint/description.py", "vlp/interop/exported.py")
ASIDE += ("vlp/interop/tokenizer_files.py", "input_pipeline/buckets.py", "input_pipeline/streaming/cache.py")
ASIDE += ("vlp/checkpoint/replicas.py",)


def test_files_are_written_whole() -> None:
    """What has a final name is complete: written by `input_pipeline.whole_files`."""
    written = {
        str(file.relative_to(ROOT))
        for file in modules().values()
        if re.search(r"\.write_(text|bytes)\(|open\([^)]*[\"']wb?[\"']", file.read_text())
    }
    locks = {"input_pipeline/sources/copies.py"}
    assert written - locks - {"input_pipeline/whole_files.py"} == set(ASIDE)


def named_kinds(tree: ast.AST) -> Iterator[int]:
    """The lines that compare something called a kind with a kind of tower."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            said = {
                part.value for part in sides if isinstance(part, ast.Constant) and part.value in TOWER_KINDS
            }
            called = {
                getattr(part, "attr", getattr(part, "id", getattr(part, "value", ""))) for part in sides
            }
            if said and "kind" in called:
                yield node.lineno


def test_only_families_know_kinds_of_towers_by_name() -> None:
    """Who needs something of a tower asks its family (`ABILITIES`), so that kinds from outside may have it, too."""
    for told in ("image.kind == 'vit'", "image['kind'] != 'bag'", "kind in ('resnet', 'x')"):
        assert list(named_kinds(ast.parse(told))) == [1], told
    named = [
        f"{module}, line {line}"
        for module, path in modules().items()
        if not under(module, "vlp.models.families")
        for line in named_kinds(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not named


def all_files() -> list[Path]:
    """Every module of the program, of its tests, benchmarks and examples."""
    beside = (
        file for folder in ("tests", "benchmarks", "examples") for file in (ROOT / folder).rglob("*.py")
    )
    return [*modules().values(), *beside]


def test_no_file_is_too_long() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in all_files()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_no_function_is_too_long() -> None:
    functions = {
        f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in all_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(functions) > 100, "the search for functions finds too few to mean anything"
    assert not {name: length for name, length in functions.items() if length > LONGEST_FUNCTION}


def test_no_two_test_files_have_one_name() -> None:
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, "pytest imports test files by their names alone, and would leave one of them out"
