"""ALIGN's filter of alt-texts and images (Jia et al., 2021, arXiv 2102.05918, section 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.text import pairs, texts_of, words
from input_pipeline.prepare.header import read_header
from input_pipeline.tables import hash64


class AltText(Step):
    """Drops texts that many images share, short and long ones, texts with rare words, and small or narrow images."""

    surveys = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows no counts yet."""
        super().__init__(config, name=name, seed=seed)
        self.reads = (
            ("captions", "image") if config["side_above"] or config["aspect_below"] else ("captions",)
        )
        self._shared: frozenset[int] = frozenset()
        self._frequent: frozenset[int] | None = None
        self._facts: dict[str, Any] = {}

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts the images of each text, and the unigrams and bigrams, all of them by their hashes."""
        texts, tokens = Counter[int](), Counter[int]()
        for item in items:
            for text in set(self._texts(item)):
                texts[hash64(text)] += 1
                tokens.update(map(hash64, _tokens(text)))
        return {"texts": sorted(texts.items()), "tokens": sorted(tokens.items())}

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds the texts that too many images share, and the most frequent unigrams and bigrams, if there are more."""
        texts, tokens = Counter[int](), Counter[int]()
        for survey in surveys:
            texts.update(dict(survey["texts"]))
            tokens.update(dict(survey["tokens"]))
        most, frequent = self.config["most_images"], None
        if len(tokens) > self.config["frequent"]:
            ordered = sorted(tokens, key=lambda token: (-tokens[token], token))
            frequent = sorted(ordered[: self.config["frequent"]])
        shared = sorted(text for text, count in texts.items() if count > most)
        return {"shared": shared, "frequent": frequent, "texts": len(texts), "tokens": len(tokens)}

    def begin(self, plan: Any) -> None:
        """Takes both lists."""
        self._shared = frozenset(plan["shared"])
        self._frequent = None if plan["frequent"] is None else frozenset(plan["frequent"])
        self._facts = {
            "texts": plan["texts"],
            "unigrams_and_bigrams": plan["tokens"],
            "shared_texts": len(plan["shared"]),
        }

    def __call__(self, item: Item) -> Decision:
        """Judges the image, and then its texts."""
        texts = self._texts(item)
        if wrong := self._of_image(item):
            return wrong
        if not texts:
            return Decision("no text")
        if len(texts) > self.config["most_texts"]:
            return Decision("many texts", f"{len(texts)}")
        judged = [(self._of_text(text), text) for text in texts]
        bad = [(reason, text) for reason, text in judged if reason]
        if bad and (self.config["need"] == "all" or len(bad) == len(texts)):
            return Decision(*bad[0])
        return Decision()

    def facts(self) -> Mapping[str, Any]:
        """Returns how many texts and tokens there are."""
        return self._facts

    def _texts(self, item: Item) -> list[str]:
        return texts_of(item.record, self.config["kinds"])

    def _of_text(self, text: str) -> str:
        count = len(words(text))
        if count < self.config["least_words"]:
            return "short text"
        if count > self.config["most_words"]:
            return "long text"
        if hash64(text) in self._shared:
            return "shared text"
        if self._frequent is not None and not self._frequent.issuperset(map(hash64, _tokens(text))):
            return "rare words"
        return ""

    def _of_image(self, item: Item) -> Decision | None:
        side, aspect = self.config["side_above"], self.config["aspect_below"]
        if not side and not aspect:
            return None
        header = read_header(item.record.image or b"")
        if header is None:
            return Decision("no usable image")
        short, long = sorted((header.width, header.height))
        if short <= side:
            return Decision("small image", f"{header.width}x{header.height}")
        if aspect and long >= aspect * short:
            return Decision("narrow image", f"{header.width}x{header.height}")
        return None


def _tokens(text: str) -> list[str]:
    unigrams = words(text)
    return [*unigrams, *pairs(unigrams)]
