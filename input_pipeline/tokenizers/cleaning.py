"""What is done to a text before it is cut into pieces, by name: how other projects' tokenizers read.

A model reads what it was trained with: imported tokenizers carry one of these names, our own the empty one.
"""

from __future__ import annotations

import html
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from input_pipeline.errors import UserError

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# ftfy leaves a text alone that is ASCII and has neither an entity nor a control character.
_PLAIN = re.compile(r"[\t\n\r -%'-~]*")


def encodable(text: str) -> str:
    """Drops lone surrogates, which are no text in any encoding."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def _mended(text: str) -> str:
    """ftfy's repair of wrongly decoded text, then HTML entities, twice: what open_clip does to every text."""
    if _PLAIN.fullmatch(text):
        return text.strip()
    return html.unescape(html.unescape(_ftfy().fix_text(text))).strip()


def _ftfy_whitespace(text: str) -> str:
    return " ".join(_mended(text).split())


def _ftfy_lower(text: str) -> str:
    return _ftfy_whitespace(text).lower()


def _ftfy_canonicalize(text: str) -> str:
    """As SigLIP's prompts are: no punctuation, lower case, single spaces."""
    return " ".join(_mended(text).replace("_", " ").translate(_PUNCTUATION).lower().split())


def _lower(text: str) -> str:
    return encodable(text).lower()


def _ascii_lower(text: str) -> str:
    """TensorFlow's `strings.lower`, which big_vision uses: other letters keep their case."""
    return encodable(text).translate(_ASCII_LOWER)


CLEANERS: Mapping[str, Callable[[str], str]] = {
    "none": encodable,
    "lower": _lower,
    "ascii_lower": _ascii_lower,
    "ftfy_whitespace": _ftfy_whitespace,
    "ftfy_lower": _ftfy_lower,
    "ftfy_canonicalize": _ftfy_canonicalize,
}


def cleaner(name: str) -> Callable[[str], str]:
    """Returns the function of a name.

    Raises:
      ValueError: an unknown name, or one that needs ftfy where it is not installed.
    """
    if name not in CLEANERS:
        raise UserError(f"tokenizer.clean='{name}' is not one of {', '.join(CLEANERS)}")
    if name.startswith("ftfy"):
        _ftfy()
    return CLEANERS[name]


def _ftfy() -> Any:
    try:
        import ftfy
    except ImportError:
        raise UserError(
            "this tokenizer was made to read text that ftfy has mended, which is not installed: pip install ftfy"
        ) from None
    return ftfy
