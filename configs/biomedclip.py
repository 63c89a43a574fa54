"""BiomedCLIP (Zhang et al., 2023, arXiv 2303.00915): long texts, and a text tower that a BERT of their domain starts.

    python main.py --job=import --source=PUBMEDBERT --workdir=runs/bert --config.interop.text_length=256
    python main.py --config=configs/biomedclip.py:text=runs/bert
    python main.py --config=configs/biomedclip.py:runlocal          # a toy size, from scratch

`text` is the workdir of an imported BERT, or of a run: its tower and its tokenizer are taken, and an MLP behind its
first token is new. `image` is one with an image tower, as of timm's ViT. Without `text` the tower is a BERT's from
scratch, for which `tokenizer` names a file or folder of WordPiece (vocab.txt) or of Hugging Face (tokenizer.json);
`--job=tokenizer --config.tokenizer.kind=wordpiece` makes one of your captions. Batch, steps and learning rate are
recalled and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink, start_from

METHODS = [
    {
        "paper": "BiomedCLIP: a multimodal biomedical foundation model pretrained from fifteen million scientific "
        "image-text pairs",
        "arxiv": "2303.00915",
        "family": "contrastive",
        "check": "tests/interop/test_single_towers.py::test_a_text_tower_reads_as_transformers_does",
    },
]

# BERT-base (arXiv 1810.04805).
BERT = {"width": 768, "depth": 12, "heads": 12, "mlp_dim": 3072, "activation": "gelu", "norm_eps": 1e-12}
LENGTH = 256  # tokens of a text


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(
        argument, model="vit_b16", resolution=224, runlocal=False, text="", image="", tokenizer=""
    )
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "biomedclip")
    config.update(batch_size=4096, steps=120_000)  # about 32 epochs of 15 million pairs
    config.optimizer.update(b2=0.98, eps=1e-6, weight_decay=0.2)
    config.model.text.update(size="", causal=False, pool="first", post_norm=True, **BERT)
    config.tokenizer.length = LENGTH
    if arg.runlocal:
        shrink(config)
        config.tokenizer.length = 64
    if arg.tokenizer:
        kind = "huggingface" if arg.tokenizer.endswith(".json") else "wordpiece"
        config.tokenizer.update(kind=kind, path=arg.tokenizer)
    embed_dim, new = config.model.embed_dim, []
    for tower, folder in (("image", arg.image), ("text", arg.text)):
        if folder:
            start_from(config, folder, (tower,))
            new.append(tower)
    config.model.embed_dim = embed_dim
    config.model.image.projection, config.model.text.projection = "linear", "mlp"
    if new:
        config.checkpoint.start_new = f"^model/({'|'.join(new)})_projection/"
    return config
