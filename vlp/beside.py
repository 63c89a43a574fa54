"""The packages beside vlp in a checkout: its own `configs` and `input_pipeline`, wherever a program was started.

Installed, the two lie inside vlp and are called `vlp.configs` and `vlp.input_pipeline`; in a checkout those names mean
the same modules, so that one config file of a user's own fits both.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent
NAMES = ("configs", "input_pipeline")
INSTALLED = (PACKAGE / "configs").is_dir()
PROGRAM = "vlp" if INSTALLED else "python main.py"
ROOT = PACKAGE if INSTALLED else PACKAGE.parent  # where the project's relative paths begin


class Beside:
    """Finds the packages of a checkout before anything of the same name that lies elsewhere on `sys.path`."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds a module as the import system asks for it; None of any but those packages."""
        if path is None and name in NAMES:
            return PathFinder.find_spec(name, [str(ROOT)], target)
        inside, _, rest = name.partition(".")
        return ModuleSpec(name, Same()) if inside == "vlp" and rest.split(".")[0] in NAMES else None


class Same(Loader):
    """Loads `vlp.configs` and `vlp.input_pipeline` as the modules beside vlp, and none of them twice."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Imports the module by the name that it has in a checkout."""
        module = importlib.import_module(spec.name.partition(".")[2])
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives back what the import system has just changed; the module has been run."""
        module.__spec__ = self.own


def pin() -> None:
    """Makes the names of the packages beside vlp mean those, and no others, from now on.

    Raises:
      ImportError: another package of such a name was imported before vlp.
    """
    if INSTALLED or Beside in sys.meta_path:
        return
    for name in NAMES:
        there = sys.modules.get(name)
        places = [str(getattr(there, "__file__", None) or ""), *getattr(there, "__path__", ())]
        if there is not None and not any(
            place and Path(place).resolve().is_relative_to(ROOT / name) for place in places
        ):
            raise ImportError(
                f"another package called '{name}' ({next(filter(None, places), 'built in')}) was imported before vlp, "
                f"which needs {ROOT / name}: import vlp first, or install it (pip install {ROOT}), which brings it "
                f"under the name vlp.{name}"
            )
    sys.meta_path.insert(0, Beside)
