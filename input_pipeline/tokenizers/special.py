"""Padding, begin and end: which tokens of a file they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from input_pipeline.errors import UserError

Found = dict[str, int | None]  # by role; None = none, or not said


class SpecialIds(NamedTuple):
    """Ids that no text ever becomes; a tokenizer without a begin token has None."""

    pad: int
    begin: int | None
    end: int


def named_specials(special_tokens: str, find: Callable[[str], int | None]) -> Found:
    """Returns the ids of "begin=[CLS],end=[SEP],pad=[PAD]".

    Args:
      special_tokens: of any of the roles; an empty token is none.
      find: the id of a token, None if there is no such token.

    Raises:
      ValueError: an unknown role or token.
    """
    named: Found = {}
    for item in filter(None, (part.strip() for part in special_tokens.split(","))):
        role, equals, token = item.partition("=")
        if role not in SpecialIds._fields or not equals:
            raise UserError(
                f"tokenizer.special_tokens='{special_tokens}': '{item}' is not pad=, begin= or end= and a token"
            )
        named[role] = find(token) if token else None
        if token and named[role] is None:
            raise UserError(f"tokenizer.special_tokens: the tokenizer has no token '{token}' for {role}")
    return named


def special_ids(found: Found) -> SpecialIds:
    """Returns the ids of all roles.

    Raises:
      ValueError: nothing says which token is padding or end.
    """
    pad, begin, end = (found.get(role) for role in SpecialIds._fields)
    if pad is None or end is None:
        missing = " and ".join(role for role in ("pad", "end") if found.get(role) is None)
        raise UserError(
            f"the tokenizer does not say which token is {missing}: name it in tokenizer.special_tokens, "
            "such as 'end=</s>,pad=<pad>'"
        )
    return SpecialIds(pad, begin, end)
