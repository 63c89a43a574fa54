"""Which text one visit to a record shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.views.class_names import label_name, naming_rule
from input_pipeline.views.text_sentences import split_sentences
from input_pipeline.views.text_templates import fill, load_templates, read_sentences, without_name
from input_pipeline.views.text_weights import draw_group, parse_weights, weight_of

LANGUAGES = ("", "en")  # English, and captions of which no language is known
UNIFORM = "uniform"

# A rule is a function from the captions to choose from to those that a visit draws from, each equally likely:
# the source's best caption on every visit, or any.
CHOICES: Mapping[str, Callable[[list[Caption]], list[Caption]]] = {
    "first": lambda captions: captions[:1],
    UNIFORM: lambda captions: captions,
}
# Append only: an option's place says which dice are its own.
_OPTIONS = ("language", "kind", "label", "template", "name")


def spoken(record: Record, languages: tuple[str, ...]) -> list[Caption]:
    """Returns a record's captions in some languages; () is all of them."""
    return [caption for caption in record.captions if not languages or caption.language in languages]


@dataclass(frozen=True)
class TextView:
    """Chooses one text of a record, or several: pure functions of the record and the dice.

    The texts to draw from come about in this order: captions in `languages`; of one language, if
    `language_choice` says so; of one kind, if `kinds` says so; by `choice` the first of them or all; their
    sentences instead, if `sentences`. A record without such captions, or by `label_share` any record, shows its
    label in a template instead (UniCL, Yang et al. 2022, arXiv:2204.03610).

    Every option rolls dice of its own, and none when it is off: switching one on moves no other.

    Attributes:
      choice: a name in CHOICES.
      languages: () is all of them.
      kinds: probability of each kind of caption, as "title=0.7,sentence=0.3", relative to those that a record has;
        '*' is any other kind. '' = kinds do not matter.
      language_choice: the same for languages, or 'uniform' over those that a record has.
      sentences: show single sentences (ConVIRT, Zhang et al. 2022, arXiv:2010.00747; DreamLIP, Zheng et al. 2024,
        arXiv:2403.17007) of all captions that are left.
      label_share: how often a record with a label shows that instead of a caption; 0 = if it has no caption.
      templates: of sentences about labels, or .json files with such; () = labels are not shown.
      labels: the rule from a label to the name in its sentence, of `class_names`.
      descriptions: a file of sentences by label, as --job=describe writes it, of which one follows the template; '' =
        none. A label without any is not shown (AdaptCLIPZS, arXiv:2401.02460).
      skip_words: of each sentence, those it begins with that say the name again.
      name_dropped: how often a sentence of `descriptions` stands alone, its label's name replaced by "it", so that
        the name cannot be all that is learned (DesCo, Li et al. 2023, arXiv:2306.14060).
      prefix: a text to put before, with a space.
    """

    choice: str = UNIFORM
    languages: tuple[str, ...] = LANGUAGES
    kinds: str = ""
    language_choice: str = ""
    sentences: bool = False
    label_share: float = 0.0
    templates: tuple[str, ...] = ()
    labels: str = "category"
    prefix: str = ""
    descriptions: str = ""
    skip_words: int = 0
    name_dropped: float = 0.0

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise UserError(f"caption choice '{self.choice}' is not one of {', '.join(CHOICES)}")
        parse_weights(self.kinds)
        if self.language_choice != UNIFORM:
            parse_weights(self.language_choice)
        object.__setattr__(self, "templates", load_templates(self.templates))
        naming_rule(self.labels)
        if self.descriptions:
            read_sentences(self.descriptions)

    @classmethod
    def of_source(cls, settings: Mapping[str, Any], entry: Mapping[str, Any]) -> TextView:
        """Returns the view of `data.text` for one entry of `data.sources`, whose templates, labels and prefix come
        first."""
        own = {key: entry[key] for key in ("templates", "labels") if entry.get(key)}
        return cls(**{**settings, **own, "prefix": entry.get("prefix", "")})

    def __call__(self, record: Record, dice: np.random.Generator) -> str:
        """Returns one text.

        Raises:
          BadRecord: the record has none to show.
        """
        return self.many(record, dice, 1)[0]

    def many(self, record: Record, dice: np.random.Generator, count: int) -> list[str]:
        """Returns several texts, drawn without replacement where there are enough, else with.

        Raises:
          BadRecord: the record has none to show.
        """
        if self._shows_label(record, dice):
            named = not self.name_dropped or _own(dice, "name").random() >= self.name_dropped
            drawn = _sample(self._label_texts(record, named=named), _own(dice, "template"), count)
        else:
            drawn = _sample(self._caption_texts(record, dice), dice, count)
        return [self._prefixed(text) for text in drawn]

    def every_text(self, record: Record) -> Iterator[str]:
        """Yields all that the view may show of a record, without dice: what a tokenizer learns from. May be nothing."""
        captions = [caption.text for caption in self._captions(record)]
        yield from (self._prefixed(text) for text in [*captions, *self._label_texts(record)])

    def usable(self, record: Record) -> list[Caption]:
        """Returns the captions to choose from.

        Raises:
          BadRecord: there is none.
        """
        captions = self._captions(record)
        if not captions:
            wanted = f" in the languages {self.languages}" if self.languages else ""
            wanted += f" of the kinds {self.kinds}" if self.kinds else ""
            if (self.templates or self.descriptions) and record.label:
                wanted += f", and its label '{record.label}' has no name by the rule labels='{self.labels}'"
                wanted += f", or no sentence in {self.descriptions}" if self.descriptions else ""
            raise BadRecord(Reason.NO_CAPTION, f"record '{record.id}' has no caption{wanted}")
        return captions

    def _captions(self, record: Record) -> list[Caption]:
        captions = spoken(record, self.languages)
        if self.kinds:
            kinds = parse_weights(self.kinds)
            captions = [caption for caption in captions if weight_of(kinds, caption.kind)]
        if self.language_choice not in ("", UNIFORM):
            weights = parse_weights(self.language_choice)
            captions = [caption for caption in captions if weight_of(weights, caption.language)]
        return captions

    def _caption_texts(self, record: Record, dice: np.random.Generator) -> list[str]:
        """The texts that this visit draws from, after language and kind are settled."""
        captions = self.usable(record)
        if self.language_choice:
            names = [caption.language for caption in captions]
            uniform = self.language_choice == UNIFORM
            weights = dict.fromkeys(names, 1.0) if uniform else parse_weights(self.language_choice)
            captions = draw_group(captions, names, weights, _own(dice, "language"))
        if self.kinds:
            names = [caption.kind for caption in captions]
            captions = draw_group(captions, names, parse_weights(self.kinds), _own(dice, "kind"))
        texts = [caption.text for caption in CHOICES[self.choice](captions)]
        if not self.sentences:
            return texts
        return [sentence for text in texts for sentence in split_sentences(text)]

    def _label_texts(self, record: Record, *, named: bool = True) -> list[str]:
        name = label_name(self.labels, record.label) if record.label else ""
        shown = [fill(template, name) for template in self.templates] if name else []
        if not self.descriptions or not name:
            return shown
        own = read_sentences(self.descriptions).get(record.label, ())
        said = [" ".join(sentence.split()[self.skip_words :]) for sentence in own]
        if not named:
            return [without_name(sentence, name) for sentence in said]
        return [f"{start} {end}".strip() for start in shown or [""] for end in said]

    def means_label(self, record: Record, dice: np.random.Generator) -> bool:
        """Tells whether what a visit with these dice shows stands for the record's label, not for its own caption.

        It does where a sentence about the label is shown, and where there is no caption.
        """
        return bool(record.label) and (not self._captions(record) or self._shows_label(record, dice))

    def _shows_label(self, record: Record, dice: np.random.Generator) -> bool:
        if not self._label_texts(record):
            return False
        if self.label_share >= 1 or not self._captions(record):
            return True
        return self.label_share > 0 and _own(dice, "label").random() < self.label_share

    def _prefixed(self, text: str) -> str:
        return f"{self.prefix} {text}" if self.prefix else text


def _sample(texts: Sequence[str], dice: np.random.Generator, count: int) -> list[str]:
    if count == 1:
        return [texts[int(dice.integers(len(texts)))]]
    return [texts[place] for place in dice.choice(len(texts), count, replace=len(texts) < count)]


def _own(dice: np.random.Generator, option: str) -> np.random.Generator:
    """An option's own dice, far from the visit's, which are rolled last and only for the choice of a text."""
    jumping = cast(Any, dice.bit_generator)
    return np.random.Generator(jumping.jumped((1 + _OPTIONS.index(option)) << 32))
