"""Foils: every answer by hand, files as their authors publish them, and pairs made of captions."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from made import made
from retrieval_sets import NamedSet

from vlp.evaluation.composition.compositional import Compositional
from vlp.evaluation.composition.foils import Choice, Several, minimal_pairs, read_questions

TEXTS = ("a red cat", "a blue cat", "two dogs", "dogs two")


class Table:
    """A model whose cosine of image i and text t is a cell of a table."""

    logit_scale = 1.0

    def __init__(self, cosines: np.ndarray):
        self.cosines = cosines

    def encode_image_array(self, images: np.ndarray) -> np.ndarray:
        return self.cosines

    def encode_text(self, texts: list[str], *, prefix: str = "") -> np.ndarray:
        return np.eye(len(TEXTS))[[TEXTS.index(text) for text in texts]]


def evaluator(data: NamedSet, questions: str = "") -> Compositional:
    return made(Compositional, {"s": data}, name="foils", sets=("s",), questions=questions)


def a_set(captions: list[list[str]]) -> NamedSet:
    data = NamedSet(len(captions), captions)
    data.ids = [f"{row:012d}.jpg" for row in range(len(captions))]
    return data


def test_captions_that_differ_in_one_word_are_each_others_foils() -> None:
    data = a_set([["A red cat", "one"], ["a blue cat", "a red cat sits"], ["dogs two", "a red cat"], ["two"]])
    assert minimal_pairs(data) == [
        Choice(0, "A red cat", "a blue cat", ""),
        Choice(1, "a blue cat", "A red cat", ""),
        Choice(2, "a red cat", "a blue cat", ""),
    ]
    with pytest.raises(ValueError, match="no captions that differ in one word: give SugarCrepe's"):
        evaluator(a_set([["one"], ["other"]])).chance()


def test_sugarcrepe_is_accuracy_by_kind(tmp_path: Path) -> None:
    entry = {"filename": "000000000000.jpg", "caption": TEXTS[0], "negative_caption": TEXTS[1]}
    (tmp_path / "add_att.json").write_text(
        json.dumps({"0": entry, "1": {**entry, "filename": "000000000001"}})
    )
    (tmp_path / "swap_obj.json").write_text(json.dumps({"0": {**entry, "filename": "000000000002.jpg"}}))
    measured = evaluator(a_set([[], [], []]), str(tmp_path))
    cosines = np.array([[0.9, 0.1, 0, 0], [0.1, 0.9, 0, 0], [0.5, 0.5, 0, 0]])  # right, wrong, a tie
    assert measured(Table(cosines)) == {
        "foils/s/accuracy": pytest.approx(1 / 3),
        "foils/s/add_att/accuracy": 0.5,
        "foils/s/swap_obj/accuracy": 0.0,
    }
    assert (
        set(measured.chance().values()) == {0.5}
        and measured.chance().keys() == measured(Table(cosines)).keys()
    )
    (shown,) = measured.exhibits(Table(cosines))
    assert [list(one.right) for one in shown.searches] == [[True, False], [False, True], [True, False]]


def test_winoground_asks_for_both_of_a_pair_and_for_all_four(tmp_path: Path) -> None:
    line = {
        "image_0": "000000000000",
        "image_1": "000000000001",
        "caption_0": TEXTS[2],
        "caption_1": TEXTS[3],
    }
    path = tmp_path / "examples.jsonl"
    path.write_text(json.dumps({**line, "collapsed_tag": "Object"}) + "\n")
    measured = evaluator(a_set([[], []]), str(path))
    found = []
    for order in permutations((0.1, 0.2, 0.3, 0.4)):  # what chance levels are means of
        cosines = np.zeros((2, 4))
        cosines[:, 2:] = np.reshape(order, (2, 2))
        found.append(measured(Table(cosines)))
        (a, b), (c, d) = np.reshape(order, (2, 2))
        assert found[-1]["foils/s/text"] == (a > b and d > c)
        assert found[-1]["foils/s/object/image"] == (a > c and d > b)
        assert found[-1]["foils/s/group"] == (min(a, d) > max(b, c))
    for name, level in measured.chance().items():
        assert np.mean([one[name] for one in found]) == pytest.approx(level), name


def test_aro_vl_checklist_and_cvqa_are_read_by_their_keys(tmp_path: Path) -> None:
    box = {"bbox_x": 1, "bbox_y": 2, "bbox_w": 3, "bbox_h": 4}
    pair = {"image_path": "1.jpg", "true_caption": TEXTS[0], "false_caption": TEXTS[1]}
    files = {
        "relation": [{**pair, **box, "relation_name": "to the left of"}],
        "attribution": [{**pair, "attributes": ["red", "blue"]}],
        "color": [["vg/2.jpg", {"POS": [TEXTS[2], TEXTS[0]], "NEG": [TEXTS[3], TEXTS[1]]}]],
    }
    for name, entries in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(entries))
    asked = {
        "ID": "1.jpg",
        "Question": "What?",
        "Options": ["a", "b", "c"],
        "Label": 2,
        "Subset": "('A', 'B c')",
    }
    (tmp_path / "cvqa.jsonl").write_text(json.dumps(asked) + "\n")
    ids = ["1.jpg@1,2,3,4", "1.jpg", "2"]
    assert read_questions(tmp_path, ids) == [
        Choice(1, TEXTS[0], TEXTS[1], "red_blue"),
        Choice(2, TEXTS[2], TEXTS[3], "color"),
        Choice(2, TEXTS[0], TEXTS[1], "color"),
        Several(1, ("What? a", "What? b", "What? c"), 2, "a_b_c"),
        Choice(0, TEXTS[0], TEXTS[1], "to_the_left_of"),
    ]
    (tmp_path / "attribution.json").write_text(json.dumps([{**pair, "attributes": None}]))
    assert read_questions(tmp_path / "attribution.json", ids)[0].kind == "attribution"
    (tmp_path / "cvqa.jsonl").write_text(json.dumps({**asked, "Label": -1}) + "\n")
    with pytest.raises(ValueError, match="Label is -1, no place among"):
        read_questions(tmp_path, ids)


def test_of_several_answers_the_right_one_has_to_be_first(tmp_path: Path) -> None:
    path, line = tmp_path / "cvqa.jsonl", {"ID": "000000000000", "Question": "a", "Label": 1}
    path.write_text(json.dumps({**line, "Options": ["red cat", "blue cat"]}) + "\n")
    measured = evaluator(a_set([[]]), str(path))
    assert measured.chance() == {"foils/s/accuracy": 0.5}
    for cosines, right in (([0.1, 0.9, 0, 0], 1.0), ([0.9, 0.1, 0, 0], 0.0), ([0.5, 0.5, 0, 0], 0.0)):
        assert measured(Table(np.array([cosines]))) == {"foils/s/accuracy": right}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "neither JSON nor JSON lines"),
        ('["a"]', "entry 0 is no JSON object"),
        (
            '[{"filename": "x"}]',
            r"entry 0 has filename: it needs filename, caption, negative_caption; image_path",
        ),
        ('[{"filename": "x.jpg", "caption": "a", "negative_caption": "b"}]', "has no image 'x.jpg'"),
        ('[["a.jpg", {"POS": ["a", "b"], "NEG": ["c"]}]]', "entry 0: POS is .* two lists of the same length"),
        ('[["a.jpg", {"POS": "ab", "NEG": "cd"}]]', "must be two lists"),
        ('[["a.jpg", {"POS": ["a"]}]]', "NEG None: they must be two lists"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "foils.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_questions(path, ["a.jpg"])
