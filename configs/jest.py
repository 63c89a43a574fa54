"""JEST (Evans et al., 2024, arXiv 2406.17711): rows of each batch that a reference knows and the model does not.

    python main.py --config=configs/jest.py:model=vit_b16,resolution=224 --workdir=runs/reference
    python main.py --config=configs/jest.py:model=vit_b16,resolution=224,reference=runs/reference

The first command trains the reference, a plain SigLIP, on the data to be like (the paper's is small and well kept); the
second reads five times the rows that it trains on, and draws the fifth of them whose losses, as pairs and against each
other, fall most from the model to the reference. With a reference that is larger than the model it is ACID (Udandarao
et al., 2024, arXiv 2411.18674); its authors add a distillation by another objective (ACED). `batch_size` is what is
read, and so `pairs_per_second` counts it.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import siglip
from configs.common import parse_arg

METHODS = [
    {
        "paper": "JEST: Data curation via joint example selection further accelerates multimodal learning",
        "arxiv": "2406.17711",
        "family": "data",
        "argument": "runlocal,reference=runs/methods/jest_reference",
        "before": ("--config=configs/jest.py:runlocal --workdir=runs/methods/jest_reference",),
        "check": "tests/selection/test_learnable.py::test_chunks_are_drawn_as_the_whole_matrix_says",
    },
    {
        "paper": "ACID: Active Data Curation Effectively Distills Large-Scale Multimodal Models",
        "arxiv": "2411.18674",
        "family": "data",
        "argument": "runlocal,reference=runs/methods/acid_reference",
        "before": (
            "--config=configs/jest.py:runlocal --workdir=runs/methods/acid_reference --config.model.embed_dim=48",
        ),
        "check": "tests/selection/test_learnable.py::"
        "test_pairs_that_do_not_match_are_left_out_where_a_reference_knows",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False, reference="")
    config = siglip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("siglip", "jest" if arg.reference else "jest_reference")
    if not arg.runlocal:
        config.update(batch_size=32_768, steps=91_553)  # 3 billion rows
    if arg.reference:
        config.frozen = {"reference": {"checkpoint": arg.reference}}
        config.selection.learnable.update(ratio=0.8, chunks=16, reference="reference")
        config.batch_size *= 5
        if arg.runlocal:
            config.selection.learnable.chunks = 4
    return config
