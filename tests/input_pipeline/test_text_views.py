"""Which text a visit shows: shares that hold, options that do not disturb one another, and off that costs nothing."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from input_pipeline.dice import Dice
from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.views.text import TextView
from input_pipeline.views.text_sentences import split_sentences
from input_pipeline.views.text_weights import parse_weights

RECORD = Record(
    "1",
    None,
    (
        Caption("a title", "title", "en"),
        Caption("ein Titel", "title", "de"),
        Caption("a sentence. another one!", "sentence", "en"),
        Caption("tags", "keywords", ""),
    ),
    label="cat",
)
UNTITLED = Record("2", None, (Caption("only a sentence", "sentence", "en"),))
LABELLED = Record("3", None, (), label="dog")
TEMPLATES = ("a photo of a {}.", "the {}")


def dice(index: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([7, index], np.uint64)))


def shares(view: TextView, record: Record = RECORD, visits: int = 1500) -> dict[str, float]:
    shown = Counter(view(record, dice(visit)) for visit in range(visits))
    return {text: count / visits for text, count in shown.items()}


def test_kinds_are_shown_by_their_shares_of_what_a_record_has() -> None:
    seen = shares(TextView(kinds="title=0.6,sentence=0.2,caption=9"))
    assert seen == pytest.approx({"a title": 0.75, "a sentence. another one!": 0.25}, abs=0.04)
    assert shares(TextView(kinds="title=0.6,sentence=0.2"), UNTITLED, 20) == {"only a sentence": 1}
    assert set(shares(TextView(kinds="title=0,*=1"))) == {"a sentence. another one!", "tags"}
    with pytest.raises(BadRecord, match=r"no caption in the languages .* of the kinds caption=1") as bad:
        TextView(kinds="caption=1")(RECORD, dice())
    assert bad.value.reason == Reason.NO_CAPTION


def test_languages_are_chosen_before_captions() -> None:
    view = TextView(languages=(), language_choice="uniform")
    assert shares(view) == pytest.approx(
        {"ein Titel": 1 / 3, "tags": 1 / 3, "a title": 1 / 6, "a sentence. another one!": 1 / 6}, abs=0.04
    )
    seen = shares(TextView(languages=(), language_choice="de=0.8,en=0.2,pt=5", kinds="title=1"))
    assert seen == pytest.approx({"ein Titel": 0.8, "a title": 0.2}, abs=0.04)
    assert shares(TextView(languages=("de",), language_choice="uniform"), visits=5) == {"ein Titel": 1}


def test_several_texts_are_distinct_where_there_are_enough() -> None:
    view = TextView(sentences=True)
    for visit in range(20):
        three = view.many(RECORD, dice(visit), 3)
        assert len(set(three)) == 3 and set(three) <= {"a title", "a sentence.", "another one!", "tags"}
        assert len(view.many(UNTITLED, dice(visit), 3)) == 3
        assert view.many(RECORD, dice(visit), 1) == [view(RECORD, dice(visit))]
    assert shares(view) == pytest.approx(
        dict.fromkeys(("a title", "a sentence.", "another one!", "tags"), 1 / 4), abs=0.04
    )
    assert TextView("first", sentences=True).many(RECORD, dice(), 2) == ["a title"] * 2


def test_a_label_is_shown_where_there_is_no_caption_or_as_often_as_asked() -> None:
    view = TextView(templates=TEMPLATES)
    assert shares(view, LABELLED) == pytest.approx({"a photo of a dog.": 0.5, "the dog": 0.5}, abs=0.04)
    assert shares(view) == shares(TextView()), "captions are preferred"
    assert set(shares(TextView(templates=TEMPLATES, label_share=1.0))) == {"a photo of a cat.", "the cat"}
    often = shares(TextView(templates=TEMPLATES, label_share=0.3))
    assert sum(often[text] for text in ("a photo of a cat.", "the cat")) == pytest.approx(0.3, abs=0.04)
    assert TextView(label_share=1.0)(RECORD, dice()) == TextView()(RECORD, dice()), "no templates, no labels"
    with pytest.raises(BadRecord):
        TextView()(LABELLED, dice())
    with pytest.raises(BadRecord):
        view(Record("4", None), dice())


def test_options_roll_dice_of_their_own() -> None:
    plain = [TextView()(RECORD, dice(visit)) for visit in range(200)]
    with_labels = [
        TextView(templates=TEMPLATES, label_share=0.3)(RECORD, dice(visit)) for visit in range(200)
    ]
    changed = [visit for visit in range(200) if plain[visit] != with_labels[visit]]
    assert 30 < len(changed) < 90 and all("cat" in with_labels[visit] for visit in changed)

    def labelled(**options: Any) -> list[bool]:
        view = TextView(languages=(), templates=TEMPLATES, label_share=0.3, **options)
        return ["cat" in view(RECORD, dice(visit)) for visit in range(200)]

    assert labelled() == labelled(kinds="title=1,sentence=1", language_choice="uniform", sentences=True)

    def titles(**options: Any) -> list[bool]:
        view = TextView(languages=(), kinds="title=0.5,*=0.5", **options)
        return [
            "itel" in view(RECORD, dice(visit)) or "a title" in view(RECORD, dice(visit))
            for visit in range(200)
        ]

    assert titles() == titles(sentences=True)


def test_the_dice_of_options_are_far_from_each_other_and_from_the_visits(tmp_path: Path) -> None:
    told = []

    class Told(np.random.Philox):
        def jumped(self, jumps: int = 1) -> Any:
            told.append(jumps)
            return super().jumped(jumps)

    (tmp_path / "said.json").write_text(json.dumps({"cat": ["a cat sleeps"]}))
    own = {"kinds": "title=0.5,*=0.5", "language_choice": "uniform", "label_share": 0.5, "name_dropped": 0.5}
    view = TextView(languages=(), templates=TEMPLATES, descriptions=str(tmp_path / "said.json"), **own)
    for visit in range(20):
        view(RECORD, np.random.Generator(Told(key=visit)))
    assert len(set(told)) == 5, "language, kind, label, template and name"
    assert min(told) >= 2**32, "0 are the visit's own, and one jump is 2^128 numbers"


def test_what_is_off_rolls_no_dice() -> None:
    for view, record in (
        (TextView("first", templates=TEMPLATES), RECORD),
        (TextView(templates=TEMPLATES[:1], label_share=1.0), RECORD),
        (TextView(kinds="title=1", language_choice="en=1"), RECORD),
        (TextView(), UNTITLED),
    ):
        rolled = dice()
        view(record, rolled)
        assert rolled.random() == dice().random()


def test_a_source_says_its_own_templates_and_prefix() -> None:
    settings = {"choice": "first", "languages": (), "templates": ("the {}",)}
    view = TextView.of_source(settings, {"templates": ("one {}",), "prefix": "seen from above:"})
    assert view(RECORD, dice()) == "seen from above: a title"
    assert view(LABELLED, dice()) == "seen from above: one dog"
    assert TextView.of_source(settings, {"format": "parquet"})(LABELLED, dice()) == "the dog"
    assert list(view.every_text(RECORD))[-2:] == ["seen from above: tags", "seen from above: one cat"]
    assert pickle.loads(pickle.dumps(view)) == view


def test_templates_come_from_files_too(tmp_path: Path) -> None:
    for content in (["a {}", "two {}s"], {"source": "here", "templates": ["a {}", "two {}s"]}):
        path = tmp_path / "set.json"
        path.write_text(json.dumps(content))
        assert TextView(templates=(str(path), "b {}")).templates == ("a {}", "two {}s", "b {}")
    for text, message in {
        "[]": "neither a list",
        "{}": "neither a list",
        "{": "no JSON",
        '["a"]': "'a' has no {}",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            TextView(templates=(str(path),))
    with pytest.raises(ValueError, match="no/such"):
        TextView(templates=("no/such.json",))


def test_a_file_that_is_not_there_is_named_with_its_setting() -> None:
    views: dict[str, dict[str, Any]] = {
        "templates": {"templates": ("nowhere.json",)},
        "descriptions": {"descriptions": "nowhere.json"},
    }
    for setting, given in views.items():
        with pytest.raises(ValueError, match=rf"^{setting}: there is no file.* at nowhere\.json"):
            TextView(**given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog runs. it is brown", ["a dog runs.", "it is brown"]),
        ("Dr. Smith saw 3.5 cm, e.g. here. Done!", ["Dr. Smith saw 3.5 cm, e.g. here.", "Done!"]),
        ('He said "no." Then J. Doe left...', ['He said "no."', "Then J. Doe left..."]),
        ("1. No effusion. 2. Heart is normal.", ["No effusion.", "Heart is normal."]),
        ("一只猫。一只狗。", ["一只猫。", "一只狗。"]),
        ("one\ntwo\n\nthree", ["one", "two", "three"]),
        ("no mark", ["no mark"]),
        ("?!", ["?!"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


@pytest.mark.parametrize("text", ["title", "title=-1", "title=x", "=1", "a=1,a=2", "a=inf", "a=0,b=0"])
def test_weights_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="weight"):
        parse_weights(text)
    with pytest.raises(ValueError, match="weight"):
        TextView(kinds=text)


def labelled_texts(label: str, **settings: object) -> list[str]:
    view = TextView.of_source({"templates": ("a photo of a {}.",)}, settings)
    return list(view.every_text(Record("x", b"", label=label)))


def test_labels_are_shown_by_their_names(tmp_path: Path) -> None:
    assert labelled_texts("travel-places/transport-ground") == [
        "a photo of a transport ground, travel places."
    ]
    assert labelled_texts("travel-places/x", labels="verbatim") == ["a photo of a travel-places/x."]
    assert labelled_texts("n01440764", labels="imagenet") == ["a photo of a tench."]
    assert labelled_texts("0", labels="imagenet") == ["a photo of a tench."]
    (tmp_path / "names.json").write_text('{"names": {"7": "seven"}}')
    own = str(tmp_path / "names.json")
    assert (
        labelled_texts("7", labels=own) == ["a photo of a seven."] and labelled_texts("8", labels=own) == []
    )
    view = TextView(templates=("a {}",), labels=own)
    with pytest.raises(BadRecord, match=r"its label '8' has no name by the rule labels='.*names\.json'"):
        view(Record("x", b"", label="8"), np.random.default_rng(0))
    with pytest.raises(ValueError, match="no class naming rule 'imagnet'"):
        TextView(labels="imagnet")


def test_options_roll_dice_that_know_nothing_of_each_other() -> None:
    captions = [
        Caption(f"{kind} {language}", kind, language)
        for kind in ("title", "body")
        for language in ("en", "de")
    ]
    record = Record("x", b"", tuple(captions), label="cat")
    view = TextView(
        languages=(),
        kinds="title=0.5,body=0.5",
        language_choice="uniform",
        label_share=0.5,
        templates=("a {}", "b {}"),
    )
    counts: dict[str, int] = {}
    dice = Dice(0)
    for index in range(4000):
        text = view(record, dice.roll(index, "text"))
        counts[text] = counts.get(text, 0) + 1
    shares = {text: count / 4000 for text, count in counts.items()}
    for text in ("title en", "title de", "body en", "body de"):
        assert abs(shares[text] - 1 / 8) < 0.02
    assert abs(shares["a cat"] - 1 / 4) < 0.03 and abs(shares["b cat"] - 1 / 4) < 0.03


def test_a_sentence_of_the_label_follows_its_template(tmp_path: Path) -> None:
    file = tmp_path / "sentences.json"
    file.write_text(
        json.dumps({"dog": ["A dog which barks.", "A dog that has a tail."], "cow": ["It is large."]})
    )
    view = TextView(templates=("a photo of a {}",), descriptions=str(file), skip_words=2)
    barks, tail = "a photo of a dog which barks.", "a photo of a dog that has a tail."
    assert shares(view, LABELLED) == pytest.approx({barks: 0.5, tail: 0.5}, abs=0.05)
    assert set(TextView(descriptions=str(file)).every_text(LABELLED)) == {
        "A dog which barks.",
        "A dog that has a tail.",
    }
    with pytest.raises(
        BadRecord, match=r"its label 'cat' has no name by the rule .*, or no sentence in .*\.json"
    ):
        view(Record("4", None, (), label="cat"), dice())
    file.with_name("other.json").write_text('{"dog": "barks"}')
    with pytest.raises(ValueError, match="label 'dog' must have a list of sentences"):
        TextView(descriptions=str(file.with_name("other.json")))
