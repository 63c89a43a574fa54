"""FastCLIP (Wei et al., 2024, arXiv 2407.01445): CLIP with small batches, by a memory of every record's normaliser.

    python main.py --config=configs/fastclip.py:model=vit_b32,resolution=224,records=2723840
    python main.py --config=configs/fastclip.py:runlocal
    python main.py --config=configs/fastclip.py:runlocal,rule=v1 --config.objectives.global_contrast.rate_epochs=0

The last is SogCLR. `records` are those of all sources together. The recipe is the public scripts' for CC3M, as far as
recalled: batch 1024, 30 epochs, rho 6.5, the memory's rate from 1 to 0.2 in 16 epochs. Rule v3 (the paper's own)
learns one temperature by the robust loss, v0 by the contrast, v2 one a record (iSogCLR with a constant rate), v1 none
(SogCLR). The temperature's rate is an eighth of the towers' under rule v3.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import parse_arg

METHODS = [
    {
        "paper": "FastCLIP: A Suite of Optimization Techniques to Accelerate CLIP Training with Limited Resources",
        "arxiv": "2407.01445",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "SogCLR: Provable Stochastic Optimization for Global Contrastive Learning",
        "arxiv": "2202.12387",
        "family": "contrastive",
        "argument": "runlocal,rule=v1",
        "flags": "--config.objectives.global_contrast.rate_epochs=0",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "iSogCLR: Not All Semantics are Created Equal",
        "arxiv": "2305.11965",
        "family": "contrastive",
        "argument": "runlocal,rule=v2",
        "flags": "--config.objectives.global_contrast.rate_epochs=0",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
QUICKSTART_RECORDS = 3_227


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b32", resolution=224, records=2_723_840, rule="v3", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "fastclip"
    config.objectives.contrastive.weight = 0.0
    records = QUICKSTART_RECORDS if arg.runlocal else arg.records
    config.objectives.global_contrast.update(weight=1.0, rule=arg.rule, records=records)
    if arg.rule in ("v1", "v2"):
        config.model.logit_scale.learn = False
    if arg.rule == "v3":
        config.optimizer.learning_rate_rules = "^model/logit_scale$ = 0.125"
    if arg.runlocal:
        config.update(steps=8, batch_size=32)
        return config
    config.update(batch_size=1024, steps=79_800)
    config.optimizer.update(learning_rate=1e-3, weight_decay=0.1, b2=0.999, eps=1e-8)
    config.optimizer.schedule.warmup_steps = 10_000
    return config
