"""Whether a table of a user's own says anything of an evaluation set."""

from __future__ import annotations

from collections.abc import Collection

from input_pipeline.errors import UserError


def check_fits(path: str, ids: Collection[str], known: Collection[str], what: str) -> None:
    """Refuses a table that says nothing of a set: figures would be as if it were not there, or better.

    Raises:
        ValueError: none of the table's ids is one of the set's.
    """
    if known and not set(ids) & set(known):
        raise UserError(
            f"'{path}' knows none of the {what}, which are such as {min(known)!r}; its own are such as "
            f"{min(ids, default='')!r}: both must be written alike, letter by letter"
        )
