"""FuseCap (Rotstein et al., 2023, arXiv 2305.17718): captions enriched by what was seen beside them.

The paper's detectors and attribute recognisers are tags here, and a template writes what its language model wrote; what
a language model wrote elsewhere comes as a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation.step import Decision, Item, Step, Written
from input_pipeline.curation.text import content_words, joined, texts_of
from input_pipeline.curation.where import fields_of, values_of
from input_pipeline.records import BadRecord
from input_pipeline.texts_by_id import TextsById

TEMPLATE = "template"


class FuseCaptions(Step):
    """Writes a record's caption together with what it does not mention; every content word of it survives."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"added": "int32", "by": "string"}
    writes = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Opens the file of fused captions, if one is named."""
        super().__init__(config, name=name, seed=seed)
        self.reads = ("captions", *fields_of(config["of"]))
        self._file = TextsById(config["file"]) if config["file"] else None

    def given(self) -> Any:
        """Returns a digest of the file."""
        return self._file.digest() if self._file else None

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses a file about other records."""
        if self._file:
            self._file.check_fits(ids)

    def __call__(self, item: Item) -> Decision:
        """Takes what the file has, if it loses no word; else fills the template."""
        captions = texts_of(item.record, self.config["kinds"])
        if not captions:
            return Decision("no text")
        tags = [str(value) for value in values_of(item, self.config["of"])]
        written = self._of_file(item.record.id, captions[0]) or self._filled(captions[0], tags)
        added = len(content_words(written.texts[0]) - content_words(captions[0]))
        return Decision(scores={"added": added, "by": written.by}, written=written)

    def _of_file(self, identifier: str, caption: str) -> Written | None:
        try:
            lines = self._file[identifier] if self._file else []
            texts = [text.text for text in self._file.of(identifier)] if self._file else []
        except BadRecord:
            return None
        kept = tuple(text for text in texts if content_words(caption) <= content_words(text))
        if not kept:
            return None
        by, prompt = (str(lines[0].get(key) or "") for key in ("by", "prompt"))
        return Written(kept, self.config["kind_written"], by or f"{self.config['file']}", prompt)

    def _filled(self, caption: str, tags: Sequence[str]) -> Written:
        mentioned, new = content_words(caption), list[str]()
        for tag in dict.fromkeys(tags):
            if not content_words(tag) <= mentioned and len(new) < self.config["most"]:
                new.append(tag)
                mentioned |= content_words(tag)
        template = self.config["template"]
        text = template.replace("{added}", joined(new)).replace("{caption}", caption) if new else caption
        return Written((text,), self.config["kind_written"], TEMPLATE, template)
