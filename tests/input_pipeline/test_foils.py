"""Foils by rule, and sentences without a name: what changes, and what does not."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np
import pytest

from input_pipeline.foil_fields import check_foils
from input_pipeline.records import Record
from input_pipeline.views.foils import foils, replaced, swapped
from input_pipeline.views.text import TextView

DICE = np.random.default_rng


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def test_two_words_change_places_and_nothing_else():
    text = "A red ball, and a small blue box on the red table."
    for foil in swapped(text, DICE(0), 50):
        pairs = [(one, other) for one, other in zip(words(text), words(foil), strict=True) if one != other]
        assert len(pairs) == 2 and pairs[0] == pairs[1][::-1]
        assert {"a", "and", "on", "the"}.isdisjoint(pairs[0])
        assert Counter(foil.lower()) == Counter(text.lower())
    # Of red, ball, small, blue, box, red, table all 21 pairs but the two reds.
    assert len(set(swapped(text, DICE(0), 50))) == 20
    assert swapped("the ball", DICE(0), 5) == []


def test_an_attribute_becomes_another_of_its_kind():
    found = replaced("a Red box, left of two dogs", DICE(0), 100)
    changed = [
        (one, other)
        for foil in found
        for one, other in zip(words("a red box left of two dogs"), words(foil), strict=True)
        if one != other
    ]
    assert {one for one, _ in changed} == {"red", "left", "two"} and len(changed) == len(found)
    assert ("left", "right") in changed and ("red", "red") not in changed


def record(label="animals/bugs", **more):
    given = {"id": "1", "image": None, "captions": (), "label": label, "group": "", "tags": (), **more}
    return Record(**given)


def test_too_few_foils_are_filled_with_the_text_itself(tmp_path):
    path = tmp_path / "confusable.json"
    others = [{"name": "mouse", "text": "mouse: tail"}, {"name": "bird"}]
    path.write_text(json.dumps({"animals/bugs": {"type": "animals", "others": others}}))
    found = foils("confusable", "bug", record(), DICE(0), 4, str(path))
    assert sorted(found[:2]) == ["bird", "mouse: tail"] and found[2:] == ["bug", "bug"]
    assert foils("confusable", "bug", record("people"), DICE(0), 1, str(path)) == ["bug"]
    assert foils("replace+swap", "a red box", record(), DICE(0), 1)[0] != "a red box"
    assert foils("swap", "red box", record(), DICE(0), 2) == ["box red", "red box"]


def test_a_name_that_is_dropped_is_in_no_text(tmp_path):
    path = tmp_path / "descriptions.json"
    said = ["A large bugs has legs", "Bugs: wings", "the bug, a bug, flies", "small"]
    path.write_text(json.dumps({"animals/bugs": said}))
    settings = {"label_share": 1.0, "templates": ("{}:",), "descriptions": str(path)}
    never, always, half = (TextView(**settings, name_dropped=share) for share in (0.0, 1.0, 0.5))
    shown = {always(record(), DICE(seed)) for seed in range(40)}
    assert not any("bug" in text.lower() for text in shown) and "small" in shown and len(shown) == 4
    assert all("bug" in never(record(), DICE(seed)).lower() for seed in range(40))
    # An option's dice are its own: what is shown with the name is what would have been shown.
    texts = [(half(record(), DICE(seed)), never(record(), DICE(seed))) for seed in range(40)]
    named = [one == other for one, other in texts]
    assert 10 < sum(named) < 30


@pytest.mark.parametrize(
    ("rule", "confusable", "message"),
    [
        ("swop", "", "'swop' is not one of swap, replace, confusable"),
        ("swap", "file.json", "belong together"),
        ("confusable", "", "belong together"),
        ("confusable", "bad.json", r"is not \{label: "),
    ],
)
def test_wrong_settings_are_refused(rule, confusable, message, tmp_path):
    (tmp_path / "bad.json").write_text('{"a": ["b"]}')
    path = str(tmp_path / confusable) if confusable else ""
    with pytest.raises(ValueError, match=message):
        check_foils(rule, path, "data.text_views.foils")
