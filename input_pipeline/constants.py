"""Texts without a batch axis: class names, tags, descriptions, tokenised once and the same at every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from input_pipeline.errors import UserError
from input_pipeline.labels import read_labels, source_labels
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.class_names import naming_rule
from input_pipeline.views.text_templates import fill, load_templates


@dataclass(frozen=True, eq=False)
class ConstantTexts:
    """Texts, label by label.

    Attributes:
      labels: in the order of the file they come from; those of a source are sorted. A label's place is its number.
      texts: of the first label, then of the second and so on; every label has at least one.
      label: the number of each text's label.
      ids: token ids of each text.
      mask: False on padding.
      truncated: how many texts were cut.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    label: Int32[np.ndarray, " texts"]
    ids: Int32[np.ndarray, "texts length"]
    mask: Bool[np.ndarray, "texts length"]
    truncated: int

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what the devices get: ids, mask, label, and for each label the place of its first text."""
        first = np.searchsorted(self.label, np.arange(len(self.labels))).astype(np.int32)
        return {"ids": self.ids, "mask": self.mask, "label": self.label, "first": first}


def load_constants(data: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, ConstantTexts]:
    """Reads and tokenises every entry of `data.texts`, as configs/settings/data.py describes it.

    Args:
      data: `data` of the config, with `texts` and the `sources` whose labels they may be.
      tokenizer: of the model that will read them.

    Raises:
      ValueError: a file is missing, empty or of another form, or a label is left without any text; names the entry.
    """
    loaded = {}
    for name, entry in data.get("texts", {}).items():
        try:
            loaded[name] = _load(entry, data["sources"], tokenizer)
        except ValueError as error:
            raise UserError(f"data.texts.{name}: {error}") from None
    return loaded


def _load(entry: Mapping[str, Any], sources: Mapping[str, Any], tokenizer: Tokenizer) -> ConstantTexts:
    path = entry["path"]
    sentences = (
        read_labels(path, entry["column"]) if path else source_labels(entry["source"], sources, "label")
    )
    templates, names = load_templates(entry["templates"]), naming_rule(entry["labels"])(list(sentences))
    texts: list[str] = []
    label: list[int] = []
    for number, (name, (own, said)) in enumerate(zip(names, sentences.items(), strict=True)):
        mine = [*(fill(template, name) for template in templates), *said]
        if not mine:
            raise UserError(f"label '{own}' has neither a template nor a sentence: set templates=('{{}}',)")
        texts += mine
        label += [number] * len(mine)
    ids, mask, truncated = tokenizer.tokens(texts, [entry["prefix_token"]] * len(texts))
    return ConstantTexts(
        tuple(sentences), tuple(texts), np.array(label, np.int32), ids, mask, int(truncated.sum())
    )
