"""What recipes are compared with."""

from __future__ import annotations

from benchmarks.recipes import contrasted, recipes
from configs import lit, slip
from vlp.configuration import resolve, to_dict


def test_recipes_are_configs_that_train_and_the_contrast_has_their_towers() -> None:
    assert {"clip", "slip", "siglip2"} < set(recipes()) and "base" not in set(recipes())
    recipe = resolve(slip.get_config("runlocal"))
    plain = contrasted(recipe)
    assert [name for name, entry in plain.objectives.items() if entry.weight] == ["contrastive"]
    assert to_dict(plain.model) == to_dict(recipe.model) and recipe.objectives.view_contrast.weight
    assert not contrasted(lit.get_config("runlocal")).optimizer.learning_rate_rules
