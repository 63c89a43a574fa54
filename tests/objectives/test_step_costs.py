"""What a step costs by vlp's own count, against what XLA is given to compute: towers and every objective's part."""

from __future__ import annotations

import jax
import pytest
from alone import BATCH, CASES, alone, loss_of, pretrainer, rows, shapes
from ml_collections import ConfigDict
from small_inputs import tiny_config

from vlp.given import Given
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.planning.program import read_program
from vlp.training.model_flops import forward_flops, other_flops
from vlp.training.state import split

# Matrix products alone count. Of tiny towers the first layer, which has no gradient of pixels, is a fourteenth, and of
# a batch of eight no score matrix is worth a mention.
LEAST, MOST = 0.9, 1.1
OWN = {
    "attribute_words": (0.8, 1.1),  # of constant texts, which count as encoded, it reads tokens alone
    "cross_level": (0.9, 1.35),  # patches are scored for each pair of views
    "pseudo_words": (0.6, 1.1),  # of the tower that a config holds nothing is differentiated
    "sentence_prompts": (
        0.9,
        1.5,
    ),  # sentences with prompts go through the text tower, which it does not count
    "region_contrast": (0.8, 1.1),  # tiny windows look at much less than a whole image
}
CLASSES = ("classification", "discrimination", "stored_contrast")  # whose chunk is never all


def settings(name):
    """The case with all patches, and with scores all at once, which nothing computes twice."""
    whole = {"chunk": 0} if "chunk" in tiny_config().objectives[name] and name not in CLASSES else {}
    config = alone(tiny_config(), name, **whole)
    config.model.image.patch_dropout, config.batch_size = 0.0, BATCH
    return config


def with_views(config, batch):
    """The config as the data of a batch would have it: views by their number and size."""
    images = {field: x.shape for field, x in batch.items() if x.dtype == "uint8" and x.ndim == 5}
    config.data.image_views = ConfigDict(
        {field: {"count": shape[1], "resolution": shape[2]} for field, shape in images.items()}
    )
    texts = {field: x.shape[1] for field, x in batch.items() if field in ("captions", "foils")}
    config.data.text_views = ConfigDict({field: {"count": count} for field, count in texts.items()})
    config.data.regions.most = batch["region_boxes"].shape[1] if "region_boxes" in batch else 1
    return config


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_an_objective_s_step_costs_what_it_says(name):
    if CASES[name].get("FROZEN_MODELS"):
        pytest.skip("a frozen model of the case has no config that says what it costs")
    made, beside = pretrainer(config := settings(name), name), CASES[name].get("GIVEN", {})
    config = with_views(config, batch := rows(made, name))
    given = Given(texts={key.removeprefix("texts/"): texts for key, texts in beside.items()})
    counted = forward_flops(config, made.encoded) + other_flops(config, made, given)
    graphdef, *state = split(made)
    slope = jax.jit(jax.value_and_grad(loss_of(graphdef), has_aux=True))
    program = slope.lower(*shapes(tuple(state)), shapes(batch) | shapes(beside))
    written = read_program(program.compiler_ir("hlo").as_hlo_module().to_string()).flops / BATCH
    least, most = OWN.get(name, (LEAST, MOST))
    assert least <= written / (FORWARDS_PER_STEP * counted) <= most
