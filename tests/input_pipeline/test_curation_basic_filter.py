"""DataComp's basic filter: each rule drops what breaks it alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.settings.curation.basic_filter import SETTINGS
from configs.settings.setting import defaults
from input_pipeline.curation import Item
from input_pipeline.curation.basic_filter import BasicFilter, latin_share
from input_pipeline.records import Caption, Record


def reason(text: str, size: tuple[int, int] = (200, 600), language: str = "en", **settings: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros(size, np.uint8)).save(buffer, "PNG")
    captions = (Caption(text, "", language),) if text else ()
    step = BasicFilter({**defaults(SETTINGS), "latin": 0.9, **settings}, name="basic", seed=0)
    return step(Item(0, "web", Record("r0", buffer.getvalue(), captions))).reason


def test_each_rule_of_the_basic_filter_drops_what_breaks_it_alone() -> None:
    assert reason("a dog here") == ""
    assert reason("a dog") == "few words"
    assert reason("a b c") == "few characters" and reason("a b cd") == ""
    assert reason("a dog here", (199, 300)) == "small image"
    assert reason("a dog here", (601, 200)) == "narrow image"
    assert reason("собака в парке") == "other letters"
    assert reason("un chien ici", language="fr", languages=("en",)) == "another language"
    assert reason("") == "no text"


def test_one_good_text_is_enough_and_rules_can_be_off() -> None:
    captions = (Caption("a dog"), Caption("a dog in a park"))
    step = BasicFilter({**defaults(SETTINGS), "side_least": 0, "aspect_most": 0.0}, name="basic", seed=0)
    assert step(Item(0, "web", Record("r0", None, captions))).reason == ""
    assert reason("собака в парке", latin=0.0) == ""
    assert reason("abcd яю ef", latin=0.75) == "" and reason("abcd яю ef", latin=0.76) == "other letters"
    said = step(Item(0, "web", Record("r1", None, (Caption("dog"), Caption("c")))))
    assert (said.reason, said.detail) == ("few words", "dog")
    step = BasicFilter({**defaults(SETTINGS), "kinds": ("title",)}, name="basic", seed=0)
    captions = (Caption("a dog in a park", "title"),)
    for record in (Record("r2", None, captions), Record("r3", b"no image", captions)):
        assert step(Item(0, "web", record)).reason == "no usable image"
    assert step(Item(0, "web", Record("r4", None, (Caption("a dog in a park"),)))).reason == "no text"
    assert reason("a dog here", (100, 900), side_least=0, aspect_most=9.0) == ""
    assert reason("a dog here", (1, 900), side_least=1, aspect_most=0.0) == ""


@pytest.mark.parametrize(("text", "share"), [("123 !", 1.0), ("abc", 1.0), ("abяю", 0.5), ("é", 0.0)])
def test_the_share_of_letters_is_of_letters_alone(text: str, share: float) -> None:
    assert latin_share(text) == share
