"""Defaults, ranges and recipes are promises: whoever says nothing else gets these numbers.

`defaults.txt` has every setting, `recipes.txt` what each config file says otherwise. Where one is changed on purpose,
`python -m tests.configs.test_defaults` writes both anew, and CHANGELOG.md says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs import base
from configs.settings import data, frozen
from configs.settings.kinds import GROUPS, kind_file, kinds, with_common
from configs.settings.setting import Setting, leaves
from vlp import configuration

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"
ENTRIES = {
    "source": data.SOURCE,
    "text": data.TEXTS,
    "labels": data.LABELS,
    "view": data.VIEWS,
    "frozen": frozen.ENTRY,
}


def settings() -> Iterator[tuple[str, Setting]]:
    """Every setting by its path, those of entries by group and kind."""
    yield from leaves(base.SETTINGS)
    for group in GROUPS:
        for kind in kinds(group):
            own = with_common(group, kind, kind_file(group, kind).SETTINGS)
            yield from leaves(own, f"{group}.{kind}")
    for name, entry in ENTRIES.items():
        yield from leaves(entry, f"entry.{name}")


def defaults() -> dict[str, str]:
    """What each setting is and may be."""
    return {
        path: "  ".join(filter(None, (repr(one.default), one.limits(), "|".join(one.choices))))
        for path, one in settings()
    }


def recipes() -> dict[str, str]:
    """What each config file, in full and as a toy, has in another way than base.py."""
    files = [file for file in CONFIGS.rglob("*.py") if "def get_config(" in file.read_text(encoding="utf-8")]
    said, known = {}, configuration.flatten(base.get_config())
    for file in sorted(files):
        name = str(file.relative_to(CONFIGS))
        for argument in ("", ":runlocal") if file.parent == CONFIGS and file.stem != "base" else ("",):
            config = configuration.flatten(configuration.load_config(f"configs/{name}{argument}"))
            other = {path: value for path, value in config.items() if known.get(path, None) != value}
            said |= {f"{name}{argument} {path}": repr(value) for path, value in other.items()}
    return said


def read(name: str) -> dict[str, str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return {path: value for path, _, value in (line.partition(" = ") for line in lines)}


@pytest.mark.parametrize(("name", "found"), [("defaults.txt", defaults), ("recipes.txt", recipes)])
def test_what_was_promised_still_holds(name, found):
    """What is new is welcome; what was there has its value."""
    there = found()
    changed = {
        path: (value, there.get(path)) for path, value in read(name).items() if there.get(path) != value
    }
    assert not changed, "(promised, found): see the head of this file"


if __name__ == "__main__":
    for name, found in (("defaults.txt", defaults), ("recipes.txt", recipes)):
        lines = [f"{path} = {value}\n" for path, value in sorted(found().items())]
        (HERE / name).write_text("".join(lines), encoding="utf-8")
