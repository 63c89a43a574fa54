"""What towers may be given and asked beside their inputs; nothing given and nothing asked changes nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.encodings import Encodings
from vlp.models.compute import Compute
from vlp.models.positions import rotary2d
from vlp.models.sizes import TowerSize
from vlp.models.text import SoftTokens, TextTransformer
from vlp.models.transformer import Block, Transformer
from vlp.models.vision import Masked, VisionTransformer, drawn_branches

TINY = {"size": "", "width": 16, "depth": 3, "heads": 2, "mlp_dim": 32}
IMAGE = {
    "patch_size": 4,
    "resolution": 16,
    "position": "learned",
    "pool": "class",
    "registers": 1,
    "patch_dropout": 0.0,
}
PIXELS = jnp.asarray(np.random.default_rng(0).normal(size=(4, 16, 16, 3)), jnp.float32)
IDS = jnp.asarray([[2, 9, 8, 3, 0, 0], [2, 7, 6, 5, 4, 3]])


def vision(compute=Compute(unroll=True), **changes):  # noqa: B008
    return VisionTransformer(ConfigDict({**TINY, **IMAGE, **changes}), compute=compute, rngs=nnx.Rngs(0))


def text(**changes):
    config = ConfigDict({**TINY, "causal": True, "pool": "end", **changes})
    compute = Compute(unroll=True)
    return TextTransformer(config, vocabulary_size=40, length=6, compute=compute, rngs=nnx.Rngs(0))


def dice(*shape, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def assert_close(one, other, atol=1e-5):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=atol)


def test_watching_changes_nothing_and_shows_what_each_layer_is_given_and_gives():
    tower = vision(pool="mean", registers=0)
    plain = tower(PIXELS)
    output = tower(PIXELS, watch=("0/tokens", "1/attention", "-1/tokens"))
    assert_close(plain.pooled, output.pooled, 1e-6)
    assert plain.watched == {} and set(output.watched) == {"0/tokens", "1/attention", "-1/tokens"}
    assert_close(tower.transformer.norm(output.watched["-1/tokens"]), output.tokens)
    block = jax.tree.map(lambda leaf: leaf[1], tower.transformer.blocks)
    x = block.attention_norm(output.watched["0/tokens"])
    query, key, value = jnp.moveaxis(block.attention.qkv(x).reshape(4, 16, 2, 3, 8), 3, 0)
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(8)
    assert_close(output.watched["1/attention"], scores)
    mixed = np.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(jnp.asarray(scores)), value).reshape(4, 16, 16)
    assert_close(block.attention(x, None), block.attention.out(jnp.asarray(mixed)))


@pytest.mark.parametrize("name", ["3/tokens", "-4/tokens", "0/values", "last/tokens", "tokens"])
def test_what_is_not_there_cannot_be_watched(name):
    with pytest.raises(ValueError, match=r"must be a layer from -3 to 2 and one of tokens, attention"):
        vision()(PIXELS, watch=(name,))


def test_scan_and_micro_batches_open_the_same_doors():
    doors = {
        "watch": ("1/attention",),
        "prompts": dice(2, 3, 16),
        "masked": Masked(jnp.asarray(np.random.default_rng(2).random((4, 16)) < 0.5), dice(16)),
    }
    expected = vision()(PIXELS, **doors)
    for compute in (Compute(remat="dots"), Compute(micro_batch=2)):
        jax.tree.map(assert_close, expected, vision(compute)(PIXELS, **doors))


def test_a_mask_token_hides_what_it_stands_for_and_nothing_masked_is_nothing_changed():
    tower, token = vision(), dice(16)
    nothing, some = jnp.zeros((4, 16), bool), jnp.zeros((4, 16), bool).at[:, 5].set(True)
    assert_close(tower(PIXELS, masked=Masked(nothing, token)).pooled, tower(PIXELS).pooled, 1e-6)
    hidden = tower(PIXELS, masked=Masked(some, token)).pooled
    other = PIXELS.at[:, 4:8, 4:8].set(7.0)  # patch 5
    np.testing.assert_array_equal(hidden, tower(other, masked=Masked(some, token)).pooled)
    assert np.abs(hidden - tower(PIXELS).pooled).max() > 1e-3
    assert np.abs(hidden - tower(PIXELS, masked=Masked(some, 2 * token)).pooled).max() > 1e-3


def test_kept_patches_are_those_that_are_seen():
    tower = vision(pool="mean")
    kept = jnp.asarray([[0, 3, 9]] * 4)
    output = tower(PIXELS, kept=kept)
    assert output.tokens.shape == (4, 3, 16)
    elsewhere = PIXELS.at[:, 12:, 12:].set(5.0)  # patch 15
    np.testing.assert_array_equal(output.pooled, tower(elsewhere, kept=kept).pooled)
    everything = jnp.broadcast_to(jnp.arange(16), (4, 16))
    assert_close(tower(PIXELS, kept=everything).tokens, tower(PIXELS).tokens)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_prompts_enter_each_of_the_first_layers_anew(layers):
    """By hand: every block in turn, its prompts written over what the block before made of its own."""
    tower, prompts = vision(), dice(layers, 2, 16)
    x = tower._embed(PIXELS, slots=2)
    for layer in range(3):
        if layer < layers:
            x = x.at[:, 2:4].set(prompts[layer])
        x = jax.tree.map(lambda leaf, layer=layer: leaf[layer], tower.transformer.blocks)(x, None)
    x = tower.transformer.norm(x)
    output = tower(PIXELS, prompts=prompts)
    assert_close(output.pooled, x[:, 0])
    assert_close(output.tokens, x[:, 4:])
    own = jnp.broadcast_to(prompts, (4, *prompts.shape))
    assert_close(tower(PIXELS, prompts=own).pooled, output.pooled)


def test_soft_tokens_are_words_of_any_embedding():
    tower, mask = text(), IDS > 0
    words = tower.embedding(jnp.asarray([[11, 12], [13, 14]]))
    places = jnp.asarray([[1, 2], [3, 99]])
    swapped = IDS.at[0, 1].set(11).at[0, 2].set(12).at[1, 3].set(13)
    assert_close(tower(IDS, mask, soft=SoftTokens(words, places)).pooled, tower(swapped, mask).pooled)
    # Weighted: the plain sum of what a norm gives is the same for any words.
    weights = jnp.arange(16.0)
    gradient = jax.grad(lambda w: (tower(IDS, mask, soft=SoftTokens(w, places)).pooled @ weights).sum())(
        words
    )
    assert np.abs(gradient[0]).min(axis=-1).max() > 0 and not gradient[1, 1].any()


def test_layer_scale_scales_both_branches():
    plain, scaled = vision(), vision(layer_scale=1e-8)
    assert "attention_scale" not in nnx.to_pure_dict(nnx.state(plain, nnx.Param))["transformer"]["blocks"]
    x = plain._embed(PIXELS)
    assert_close(scaled(PIXELS).pooled, scaled.transformer.norm(scaled._embed(PIXELS))[:, 0])
    assert np.abs(plain(PIXELS).pooled - plain.transformer.norm(x)[:, 0]).max() > 1e-2
    size = TowerSize(16, 1, 2, 32, layer_scale=0.5)
    block = Block(size, causal=False, compute=Compute(), rngs=nnx.Rngs(0))
    middle = x + 0.5 * block.attention(block.attention_norm(x), None)
    assert_close(block(x, None), middle + 0.5 * block.mlp(block.mlp_norm(middle)))


def test_stochastic_depth_drops_branches_of_examples_keeps_the_mean_and_sleeps_in_evaluation():
    tower, plain = vision(drop_path=0.8), vision()
    np.testing.assert_array_equal(tower(PIXELS).pooled, plain(PIXELS).pooled)
    first, again, other = (tower(PIXELS, jax.random.key(seed)).pooled for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    drawn = drawn_branches(jax.random.key(0), 0.8, (20_000, 3, 2))
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, atol=0.05)
    np.testing.assert_allclose((drawn == 0).mean(axis=(0, 2)), [0.0, 0.4, 0.8], atol=0.02)
    nothing = tower.transformer(tower._embed(PIXELS), branches=jnp.zeros((4, 3, 2)))[0]
    assert_close(nothing, tower.transformer.norm(tower._embed(PIXELS)))


def test_the_last_block_may_have_other_heads():
    tower, plain = vision(last_heads=4), vision()
    jax.tree.map(np.testing.assert_array_equal, nnx.state(tower, nnx.Param), nnx.state(plain, nnx.Param))
    output = tower(PIXELS, watch=("1/attention", "2/attention", "1/tokens"))
    assert [output.watched[f"{layer}/attention"].shape[1] for layer in (1, 2)] == [2, 4]
    last = jax.tree.map(lambda leaf: leaf[2], tower.transformer.blocks)
    last.attention.heads = 4
    assert_close(tower.transformer.norm(last(output.watched["1/tokens"], None))[:, 0], output.pooled)
    assert_close(tower(PIXELS).pooled, output.pooled)
    with pytest.raises(ValueError, match="5 heads do not divide width 16"):
        vision(last_heads=5)


def test_rotations_are_turns_of_complex_numbers_and_scores_know_distances_alone():
    rotation = rotary2d(3, 8, before=1)
    x = dice(1, 10, 2, 8)
    numbers = np.asarray(x[..., :4]) + 1j * np.asarray(x[..., 4:])
    angles = np.zeros((10, 4))
    for place in range(9):
        row, column = divmod(place, 3)
        angles[1 + place] = [row, row / 10, column, column / 10]  # 100 ** (-1 / 2)
    turned = numbers * np.exp(1j * angles)[None, :, None]
    assert_close(rotation.turn(x), np.concatenate([turned.real, turned.imag], axis=-1))
    same = jnp.broadcast_to(x[:, :1], x.shape)
    scores = np.einsum(
        "bqhd,bkhd->bqkh", rotation.turn(same), rotation.turn(dice(1, 1, 2, 8, seed=2) + 0 * same)
    )[0]
    assert_close(scores[1, 2], scores[5, 6])  # a step to the right, from either row
    assert np.abs(scores[1, 2] - scores[2, 1]).max() > 1e-2


def test_rotary_towers_see_places_at_any_size_and_keep_them_for_kept_patches():
    tower = vision(position="rotary2d", pool="mean")
    assert tower.position is None
    turned = jnp.rot90(PIXELS, axes=(1, 2))
    assert np.abs(tower(PIXELS).pooled - tower(turned).pooled).max() > 1e-3
    assert tower(jnp.tile(PIXELS, (1, 2, 2, 1))).tokens.shape == (4, 64, 16)
    order = jnp.asarray(np.random.default_rng(0).permutation(16))[None].repeat(4, 0)
    assert_close(tower(PIXELS, kept=order).pooled, tower(PIXELS).pooled)
    assert tower.patches(PIXELS).shape == (4, 16, 16)


@pytest.mark.parametrize("lengths", [None, jnp.asarray([3, 6])])
def test_a_post_norm_block_is_berts(lengths):
    torch = pytest.importorskip("torch")
    modeling = pytest.importorskip("transformers.models.bert.modeling_bert")
    from transformers import BertConfig

    torch.manual_seed(0)
    theirs = modeling.BertLayer(
        BertConfig(hidden_size=16, num_attention_heads=2, intermediate_size=32, attn_implementation="eager")
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    weights = {name: value.detach().numpy() for name, value in theirs.named_parameters()}

    def dense(name):
        return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}

    def norm(name):
        return {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}

    def joined(part, axes):
        three = [weights[f"attention.self.{name}.{part}"].T for name in ("query", "key", "value")]
        return np.stack([one.reshape(*one.shape[:-1], 2, 8) for one in three], axis=-2).reshape(axes)

    size = TowerSize(16, 1, 2, 32, activation="gelu", norm_eps=1e-12, post_norm=True)
    block = Block(size, causal=False, compute=Compute(), rngs=nnx.Rngs(0))
    ours = {
        "attention": {
            "qkv": {"kernel": joined("weight", (16, 48)), "bias": joined("bias", (48,))},
            "out": dense("attention.output.dense"),
        },
        "attention_norm": norm("attention.output.LayerNorm"),
        "mlp": {"up": dense("intermediate.dense"), "down": dense("output.dense")},
        "mlp_norm": norm("output.LayerNorm"),
    }
    nnx.update(block, ours)
    x = dice(2, 6, 16)
    real = np.ones((2, 6), bool) if lengths is None else np.arange(6) < np.asarray(lengths)[:, None]
    mask = torch.from_numpy(np.where(real, 0.0, -1e9)[:, None, None].astype(np.float32))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(np.array(x)), attention_mask=mask)
    expected = (expected[0] if isinstance(expected, tuple) else expected).numpy()
    assert_close(np.where(real[..., None], block(x, lengths), 0), np.where(real[..., None], expected, 0))


def test_a_post_norm_tower_has_a_norm_behind_its_embedding_and_none_at_its_end():
    tower = text(causal=False, pool="first", post_norm=True)
    assert tower.transformer.norm is None
    x = tower.embedding_norm(tower.embedding(IDS) + tower.position())
    for layer in range(3):
        block = jax.tree.map(lambda leaf, layer=layer: leaf[layer], tower.transformer.blocks)
        x = block(x, (IDS > 0).sum(axis=1))
    assert_close(tower(IDS, IDS > 0).pooled, x[:, 0])


def test_encodings_open_the_doors_of_a_tower():
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 16, 16, 3), dtype=np.uint8)
    tower = vision()
    encodings = Encodings(
        None, {"crops": images}, key=None, step=jnp.int32(0), mean=(0.5,) * 3, std=(0.5,) * 3
    )
    output = encodings.through(tower, "crops", watch=("1/attention",), prompts=dice(1, 2, 16))
    assert output.watched["1/attention"].shape == (2, 2, 2, 20, 20)


def test_a_transformer_asked_for_nothing_gives_its_output_and_an_empty_dict():
    size = TowerSize(16, 2, 2, 32)
    transformer = Transformer(size, causal=True, compute=Compute(), rngs=nnx.Rngs(0))
    x, watched = transformer(dice(2, 5, 16))
    assert x.shape == (2, 5, 16) and watched == {}
