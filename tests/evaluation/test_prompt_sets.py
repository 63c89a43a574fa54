from __future__ import annotations

import pytest

from vlp.evaluation.prompt_sets import fill, known_prompt_sets, load_prompt_set


@pytest.mark.parametrize("name", known_prompt_sets())
def test_every_template_has_one_place_for_the_class_name(name: str) -> None:
    templates = load_prompt_set(name)
    assert templates and len(set(templates)) == len(templates)
    assert all(template.count("{}") == 1 for template in templates)


def test_the_named_sets_are_there() -> None:
    assert {"plain", "simple", "openai_7", "quickstart"} <= set(known_prompt_sets())
    assert load_prompt_set("plain") == ("{}",)
    assert len(load_prompt_set("openai_7")) == 7


def test_an_unknown_set_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no prompt set 'openai': take one of openai_7, plain"):
        load_prompt_set("openai")


def test_braces_of_a_class_name_stay() -> None:
    assert fill("a {}.", "{0} {x}") == "a {0} {x}."
