"""Words of captions and class names: cleaned, singular, and without those that name nothing.

The filters of CaSED (arXiv 2306.00917), but for its part-of-speech tagger: function words are dropped by
a list instead, so that equal texts give equal words everywhere and nothing has to be downloaded.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources

FALLBACK = "object"  # the name of an image none of whose captions has a word left

_DATA = json.loads((resources.files("vlp.evaluation.texts") / "words.json").read_text(encoding="utf-8"))
_ABOUT_PICTURES = frozenset(
    _DATA["about_pictures"]
)  # words about the picture instead of what it shows; the paper's
_FUNCTION_WORDS = frozenset(_DATA["function_words"])
_IRREGULAR: dict[str, str] = _DATA["irregular_plurals"]
_SINGULAR_WITH_S = frozenset(_DATA["singular_with_s"])
_NOISE = re.compile(r"<[^>]+>|https?\S+|www\.\S+|\.\w+\b")  # tokens, addresses, file extensions
_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def singular(word: str) -> str:
    """Returns the singular of a lower-case English word, by its ending; what does not look like a plural stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not word.endswith("s") or len(word) < 4 or word in _SINGULAR_WITH_S or word[-2:] in ("ss", "us", "is"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses", "oes")):
        return word[:-2]
    return word[:-1]


def bare_words(text: str) -> list[str]:
    """Returns every word in lower case and singular: how names are compared."""
    return [singular(word) for word in _LETTERS.findall(re.sub(r"[_-]", " ", text.lower()).replace("'s", ""))]


def candidate_words(captions: Sequence[Sequence[str]], *, min_count: int = 2) -> list[str]:
    """Returns what an image may be called by the `naming_words` of its captions, in order of appearance.

    Words that stand at least `min_count` times in all captions together, or as often as the most frequent one where
    that is less. Without any, `FALLBACK`.
    """
    counts = Counter(word for words in captions for word in words)
    least = min(min_count, max(counts.values(), default=0))
    return [word for word, count in counts.items() if count >= least] or [FALLBACK]


def naming_words(caption: str) -> list[str]:
    """Returns the words of a caption, of three letters or more, that may name something; each as often as it stands
    there."""
    words = bare_words(_NOISE.sub(" ", caption))
    return [w for w in words if len(w) >= 3 and w not in _FUNCTION_WORDS and w not in _ABOUT_PICTURES]
