"""What a training step costs follows the views that its objectives ask for."""

from configs import base
from vlp.configuration import resolve
from vlp.training.model_flops import forward_flops


def test_every_view_that_is_encoded_counts_at_its_resolution():
    config = base.get_config()
    with config.unlocked():
        config.data.image_views = {"local_crops": {"count": 4, "resolution": 112}}
        config.data.text_views = {"captions": {"count": 3}}
    config = resolve(config)
    image, text, crops = (forward_flops(config, [name]) for name in ("image", "text", "local_crops"))
    config.model.image.resolution = 112
    assert crops == 4 * forward_flops(config, ["image"]) < image
    assert forward_flops(config, ("captions", "captions_mask", "index")) == 3 * text
    assert forward_flops(config) == forward_flops(config, ("image", "text"))
