"""The one exception of a wrong configuration or a limit of it that is reached, and the guess at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from input_pipeline.addresses import redacted
from input_pipeline.errors import UserError

LONGEST = 1000  # signs of a message


class ConfigError(UserError):
    """A mistake in the configuration, or a limit of it that a run has reached: the value, the limit, what to do.

    main.py prints it and exits with code 2; it never shows a traceback. Trying again would end in the same.
    """

    def __init__(self, message: str):
        super().__init__(_shortened(redacted(" ".join(message.split()))))


def _shortened(message: str) -> str:
    """The message without its middle where it is long: it begins with the setting and ends with what to do."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} ... {message[-LONGEST // 3 :]}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns the known name that is most like the given one, or '' where none is near.

    Of dotted paths the last part counts as well, so that `learning_rate` finds `optimizer.learning_rate`.
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    leaves = {path.rpartition(".")[2]: path for path in reversed(known)}
    close = difflib.get_close_matches(name.rpartition(".")[2], leaves, n=1, cutoff=0.6)
    return leaves[close[0]] if close else ""


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """Returns the error for a name that is not among the known ones: it gives the nearest and, if short, the list."""
    known = sorted(known)
    near = nearest(name, known)
    hint = f": did you mean '{near}'?" if near else "."
    listed = f" There is {', '.join(known) or 'none'}" if len(known) <= 40 else ""
    return ConfigError(f"there is no {what} '{name}'{hint}{listed}")
