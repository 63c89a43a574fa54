"""MetaCLIP's matching and balancing: the authors' own results, and what their algorithm promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.settings.curation import balance as balance_settings
from configs.settings.curation import match as match_settings
from configs.settings.setting import defaults
from input_pipeline.curation import Item
from input_pipeline.curation.balance import (
    Balance,
    entry_probabilities,
    keep_probability,
    t_of_tail_share,
    tail_share,
)
from input_pipeline.curation.entries import Matcher, count_words, entries_of_counts, read_entries
from input_pipeline.curation.match import LANGUAGES, MATCHED, Match
from input_pipeline.records import Caption, Record

# facebookresearch/MetaCLIP, substr_matching.py and balancing.py, on texts full of punctuation and capitals.
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metaclip_seed0.json").read_text("utf-8"))


def balance(seed: int = 0, **settings: Any) -> Balance:
    return Balance({**defaults(balance_settings.SETTINGS), **settings}, name="balance", seed=seed)


def match(**settings: Any) -> Match:
    return Match({**defaults(match_settings.SETTINGS), **settings}, name="match", seed=0)


def item(number: int, *texts: str, matched: Any = None) -> Item:
    record = Record(f"r{number}", None, tuple(map(Caption, texts)))
    return Item(number, "web", record, {} if matched is None else {MATCHED: matched})


def test_texts_match_the_entries_that_the_authors_find() -> None:
    matcher = Matcher(GOLDEN["metadata"])
    assert [matcher(text) for text in GOLDEN["texts"]] == GOLDEN["matched_ids_v1"]


def test_scripts_without_spaces_match_the_entries_that_the_authors_find() -> None:
    matcher = Matcher(GOLDEN["metadata"], "scripts")
    assert [matcher(text) for text in GOLDEN["texts"]] == GOLDEN["matched_ids_v2"]


def test_each_language_has_its_entries_and_the_tail_of_the_reference(tmp_path: Path) -> None:
    for language, entries in {"en": "dog\ncat\n", "zh": "\u72d7\n", "other": "dog\n"}.items():
        (tmp_path / f"{language}.txt").write_text(entries, encoding="utf-8")
    step = match(entries=str(tmp_path), language="caption", spacing="scripts")
    step.begin(None)
    texts = (
        Caption("a dog, a cat", language="en"),
        Caption("\u4e00\u53ea\u72d7", language="zh"),
        Caption("dog"),
    )
    record = Record("r", None, (*texts, Caption("\u72d7", language="de")))
    said = step(Item(0, "web", record))
    assert said.notes == {MATCHED: [[0, 1], [0], [0], []], LANGUAGES: ["en", "zh", "other", "other"]}
    assert said.scores == {"entries": 4} and step.facts()["en"]["entries"] == 2

    def matched(language: str, *counts: int) -> list[Item]:
        own = [entry for entry, count in enumerate(counts) for _ in range(count)]
        notes = {MATCHED: [[entry] for entry in own], LANGUAGES: [language] * len(own)}
        return [Item(0, "web", Record("r", None), notes)]

    step = balance(t=40, reference="en")
    plan = step.settle(iter([step.survey(matched("en", 20, 20, 60)), step.survey(matched("zh", 1, 3, 2, 4))]))
    assert plan["t"] == {
        "en": 40,
        "zh": 2,
    }  # 0.4 of the matches are below 40; up to 2, 0.3 are, and up to 3, 0.6
    step.begin(plan)
    assert step.facts()["zh"]["head"][0] == (3, 4)
    with pytest.raises(
        ValueError, match="reference='fr' is none of the languages in which texts matched: 'en'"
    ):
        step = balance(reference="fr")
        step.settle(iter([step.survey(matched("en", 1))]))


def test_the_same_draws_keep_the_texts_that_the_authors_keep() -> None:
    probabilities = entry_probabilities(np.array(GOLDEN["counts_v1"]), GOLDEN["t"])
    np.testing.assert_allclose(probabilities, GOLDEN["entry_probability"])
    drawn = zip(GOLDEN["inverted_index"], GOLDEN["uniform_draws"], strict=True)
    kept = sorted({text for (entry, text), draw in drawn if draw < probabilities[entry]})
    assert kept == GOLDEN["kept_text_ids"]
    of_texts = [keep_probability(probabilities[own]) for own in GOLDEN["matched_ids_v1"]]
    np.testing.assert_allclose(of_texts, GOLDEN["keep_probability"])


def test_t_and_the_share_of_the_tail_follow_from_each_other() -> None:
    counts = np.array(GOLDEN["count_table"])
    shares = [tail_share(counts, t) for t in GOLDEN["t_values"]]
    np.testing.assert_allclose(shares, GOLDEN["tail_fraction_of_t"])
    found = [t_of_tail_share(counts, share) for share in GOLDEN["tail_fractions"]]
    assert found == GOLDEN["t_of_tail_fraction"]


def test_an_entry_keeps_as_many_texts_as_it_has_or_t() -> None:
    """E[kept] = min(count, t) where every text has one entry; the tail loses nothing, whatever the seed."""
    sizes, t, seeds = (3, 10, 40, 120), 10, 120
    items = [
        item(1000 * entry + k, matched=[[entry]]) for entry, size in enumerate(sizes) for k in range(size)
    ]
    kept = np.zeros((seeds, len(sizes)), int)
    for seed in range(seeds):
        step = balance(seed, t=t)
        step.begin(step.settle(iter([step.survey(items[:50]), step.survey(items[50:])])))
        for one in items:
            kept[seed, one.number // 1000] += not step(one).reason
    assert (kept[:, :2] == sizes[:2]).all()
    for place, size in ((2, 40), (3, 120)):
        error = np.sqrt(t * (1 - t / size) / seeds)
        assert abs(kept[:, place].mean() - t) < 4 * error
        assert kept[:, place].std() > 1  # seeds differ


def test_a_tail_share_sets_t() -> None:
    step = balance(tail=0.1)
    counts = [(entry, count) for entry, count in enumerate(GOLDEN["count_table"])]
    plan = step.settle(iter([{"": counts[:20]}, {"": counts[20:]}]))
    assert plan["t"][""] == t_of_tail_share(np.array(GOLDEN["count_table"]), 0.1)


def test_a_record_without_an_entry_is_dropped_and_each_text_has_its_own() -> None:
    step = match(entries="")
    step.begin({"": ["dog", "red car"]})
    said = step(item(0, "a dog, a dog", "red car"))
    assert not said.reason and said.notes == {MATCHED: [[0], [1]]} and said.scores == {"entries": 2}
    assert step(item(1, "hotdog")).reason == "no entry"
    assert step(item(2)).reason == "no text"


def test_entries_are_found_among_frequent_words_and_pairs_that_belong_together() -> None:
    texts = [
        "new york at night",
        "new york, at noon",
        "New York",
        "at the sea",
        "at new ends",
        *["the end"] * 20,
    ]
    counts = count_words(texts)
    assert counts["pairs"]["new york"] == 2 and "york at" in counts["pairs"]
    assert counts["pairs"]["york at"] == 1  # the comma parts them
    found = entries_of_counts(**counts, least=2, information=3.0)
    assert {"new york", "at", "the", "york"} <= {*found.texts} and "the end" not in found.texts
    assert found.texts == tuple(sorted(found.texts))


@pytest.mark.parametrize(
    ("least", "information", "expected"),
    [
        (2, 0.0, ("a", "a b", "b")),  # 2 * 8 / (4 * 4) is chance: 0 bits
        (2, 0.01, ("a", "b")),
        (3, 0.0, ("a", "b")),
        (5, 0.0, ()),
    ],
)
def test_entries_are_as_frequent_and_say_as_much_as_was_asked(
    least: int, information: float, expected: tuple[str, ...]
) -> None:
    assert entries_of_counts({"b": 4, "a": 4}, {"a b": 2}, least, information).texts == expected


def test_languages_come_from_a_column_and_are_names_of_files(tmp_path: Path) -> None:
    step = match(entries="", language="lang", least=1, information=99.0)
    records = [
        Record("r0", None, (Caption("a dog"),), extras={"lang": "pt/BR"}),
        Record("r1", None, (Caption("a"),), extras={"lang": ("zh", "x")}),
        Record("r2", None, (Caption("cat"),)),
    ]
    items = [Item(0, "web", record) for record in records]
    step.begin(step.settle(iter([step.survey(items[:2]), step.survey(items[2:])])))
    assert step.files() == {
        "match_entries/pt-BR.txt": "a\ndog\n",
        "match_entries/zh-x.txt": "a\n",
        "match_entries/other.txt": "cat\n",
    }
    assert [step(one).notes for one in items] == [
        {MATCHED: [[0, 1]], LANGUAGES: ["pt-BR"]},
        {MATCHED: [[0]], LANGUAGES: ["zh-x"]},
        {MATCHED: [[0]], LANGUAGES: ["other"]},
    ]
    assert {name: one["entries"] for name, one in step.facts().items()} == {"pt-BR": 2, "zh-x": 1, "other": 1}
    (tmp_path / "one.txt").write_text("dog\n")
    with pytest.raises(ValueError, match=r"must be a folder with a file LANGUAGE\.txt"):
        match(entries=str(tmp_path / "one.txt"), language="lang")
    digests = [match(entries=str(tmp_path / "one.txt")).given(), match(entries="").given()]
    (tmp_path / "one.txt").write_text("cat\n")
    assert len({*digests, match(entries=str(tmp_path / "one.txt")).given()}) == 3


def test_facts_of_one_language_stand_without_it_and_say_how_likely_a_record_was() -> None:
    step = balance(t=2)
    assert step.facts() == {"t": 2}
    items = [item(number, matched=[own]) for number, own in enumerate([[0], [0, 1], [0], [0], [1]])]
    step.begin(step.settle(iter([step.survey(items)])))
    assert step.facts() == {"t": 2, "tail_share": 0.0, "head": [(0, 4), (1, 2)]}
    said = [step(one) for one in items]
    assert [one.scores["probability"] for one in said] == [0.5, 1.0, 0.5, 0.5, 1.0]
    assert all(one.detail == "kept with probability 0.500" for one in said if one.reason)
    assert [one.reason for one in said].count("balanced away") == sum(bool(one.reason) for one in said)
    again = balance(t=2)
    again.begin(again.settle(iter([again.survey(items[:2]), again.survey(items[2:])])))
    assert [again(one).reason for one in items] == [one.reason for one in said]


def test_a_file_of_entries_is_cleaned_with_counts(tmp_path: Path) -> None:
    file = tmp_path / "entries.txt"
    file.write_text("dog\r\n\r\ncat\ndog\nU.S.\n\n new york \n", encoding="utf-8-sig")
    entries = read_entries(str(file))
    assert entries.texts == ("dog", "cat", "U.S.", "new york")
    assert (entries.blank, entries.repeated, entries.unreachable("all")) == (2, 1, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"dog\ncaf\xe9\n", "is not UTF-8: byte 0xe9 in line 2"), (b"\n \n", "holds no entry")],
)
def test_a_file_that_holds_no_entries_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "entries.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_entries(str(file))


def test_entries_of_a_file_are_not_looked_for_and_kinds_say_which_captions_are_read(tmp_path: Path) -> None:
    (tmp_path / "entries.txt").write_text("dog\n")
    given = match(entries=str(tmp_path / "entries.txt"), kinds=("title",))
    assert not given.surveys and given.files() == {} and given.facts()["entries"] == 1
    given.begin(None)
    captions = (Caption("a cat", "title", ""), Caption("a dog", "body", ""))
    assert given(Item(0, "web", Record("r", None, captions), {})).reason == "no entry"
    assert not given(Item(0, "web", Record("r", None, captions[1:]), {})).notes
    found = match(entries="", kinds=("body",), least=1, information=99.0)
    assert found.surveys
    survey = found.survey([Item(0, "web", Record("r", None, captions), {})])
    assert list(survey.values()) == [{"words": {"a": 1, "dog": 1}, "pairs": {"a dog": 1}}]
    found.begin(found.settle(iter([survey])))
    assert found.files() == {"match_entries.txt": "a\ndog\n"}
    with pytest.raises(ValueError, match="no word occurs 5 times"):
        match(entries="", least=5).settle(iter([survey]))
