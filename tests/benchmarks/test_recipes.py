"""What recipes are compared with, and what the dearest one costs."""

from __future__ import annotations

import jax
import pytest

from benchmarks.plans import CLIP_TOKENIZER
from benchmarks.recipes import contrasted, inputs, one_device, recipes
from configs import lit, slip
from vlp.configuration import parse, resolve, to_dict
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.training.build import build_training
from vlp.training.model_flops import forward_flops


def test_recipes_are_configs_that_train_and_the_contrast_has_their_towers() -> None:
    found = {recipe.name for recipe in recipes()}
    assert {"clip", "slip", "siglip2", "hvp"} < found and "base" not in found
    flags = "`objectives.masked_distillation.patches=all` `objectives.masked_distillation.teacher=head`"
    assert {"tips", f"tips {flags}"} < {str(recipe) for recipe in recipes()}
    recipe = resolve(slip.get_config("runlocal"))
    plain = contrasted(recipe)
    assert [name for name, entry in plain.objectives.items() if entry.weight] == ["contrastive"]
    assert to_dict(plain.model) == to_dict(recipe.model) and recipe.objectives.view_contrast.weight
    assert not contrasted(lit.get_config("runlocal")).optimizer.learning_rate_rules


@pytest.mark.slow
def test_a_step_of_siglip2_costs_at_most_1_6_of_siglips() -> None:
    """At B/16, in the mean over the run, with the vocabulary that SigLIP has."""

    def pair(*absent: str) -> tuple[float, float]:
        """FLOPs of a pair while all is on, and in the mean of the run."""
        flags = [*CLIP_TOKENIZER, "batch_size=4", *(f"objectives.{name}.weight=0" for name in absent)]
        words = ["--config=configs/siglip2.py:model=vit_b16", *(f"--config.{flag}" for flag in flags)]
        config = resolve(parse(words, {"config": ("", "")}).config)
        known, mesh = inputs(config), one_device()
        with jax.set_mesh(mesh):
            made = build_training(config, vocabulary_size=known.vocabulary_size, mesh=mesh, given=known.given)
        towers = forward_flops(config, made.encoded, shares=made.step_shares)
        whole = FORWARDS_PER_STEP * (towers + made.other_flops)
        late = FORWARDS_PER_STEP * sum(
            (1 - weight.share(config.steps)) * flops for weight, flops in made.scheduled
        )
        return whole, whole - late

    siglip, _ = pair("captioning", "masked_distillation")
    last, mean = pair()
    words, width, surplus = 64, 768, 49_408 - 32_000  # tokens of the bundled vocabulary beside SigLIP's
    scores = FORWARDS_PER_STEP * 2 * words * width * surplus
    assert 2.5 < (last - scores) / siglip < 3.1
    assert 1.5 < (mean - scores) / siglip <= 1.6
