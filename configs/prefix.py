"""Prefix conditioning (Saito et al., 2023, arXiv 2206.01125): the text tower is told which data set speaks.

    python main.py --config=configs/prefix.py:model=vit_b16,resolution=224
    python main.py --config=configs/prefix.py:runlocal

On top of UniCL: one learned token before captions, another before the sentences made of labels, and every batch from
one source. Class names at test time get the captions' token. That the token comes right after the begin token, and that
batches of one source are the better choice, is recalled from the paper and not verified: `data.single_source_batches`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import unicl

METHODS = [
    {
        "paper": "Prefix Conditioning Unifies Language and Label Supervision",
        "arxiv": "2206.01125",
        "family": "contrastive",
        "check": "tests/input_pipeline/test_tokenizers.py::test_prefix_tokens_are_appended_ids_behind_begin",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = unicl.get_config(argument)
    config.name = config.name.replace("unicl", "prefix")
    config.tokenizer.update(prefix_tokens=("caption", "label"), length=config.tokenizer.length + 1)
    config.data.sources.captions.prefix_token = "caption"
    config.data.sources.labels.prefix_token = "label"
    config.data.single_source_batches = True
    config.evaluators.zero_shot.prefix_token = "caption"
    config.evaluators.retrieval.prefix_token = "caption"
    return config
