"""Whether this program's script can be read again by the processes that it spawns, as each of them does first."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from input_pipeline.errors import UserError


def check_guarded(wanted: str) -> None:
    """Refuses to spawn from a line of the script that every spawned process would run again, and spawn for itself.

    Args:
      wanted: the setting that asks for processes, for the message.

    Raises:
      UserError: the script that is running comes here without `if __name__ == "__main__":` around it.
    """
    frame = sys._getframe()
    while frame.f_back is not None and not _is_script(frame.f_globals, frame.f_code.co_name):
        frame = frame.f_back
    path = Path(frame.f_globals.get("__file__") or "")
    if not _is_script(frame.f_globals, frame.f_code.co_name) or not path.is_file():
        return  # no script, as in a notebook, or not its thread
    if not _is_guarded(path.read_text(errors="replace"), frame.f_lineno):
        raise UserError(
            f"{path}, line {frame.f_lineno}: {wanted} starts processes that read this script again: put the line below "
            'if __name__ == "__main__":'
        )


def _is_script(names: dict[str, object], function: str) -> bool:
    return names.get("__name__") == "__main__" and function == "<module>"


def _is_guarded(script: str, line: int) -> bool:
    """Whether a line of a script stands below a condition about its name."""
    return any(
        isinstance(node, ast.If)
        and "__name__" in ast.unparse(node.test)
        and node.lineno <= line <= (node.end_lineno or 0)
        for node in ast.parse(script).body
    )
