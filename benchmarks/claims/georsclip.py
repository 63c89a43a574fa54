"""A model of half of the pairs goes on with all of them: by adapters, by biases, by all parameters, or not at all."""

from benchmarks.claims import Claim, Step, train

START = train("--config.data.sources.quickstart.fraction=0.5", seed=0)


def adapted(adapt: str, *flags: str) -> Step:
    """Returns the model, trained on by what `adapt` says."""
    return train(
        *flags,
        config=f"configs/georsclip.py:runlocal,adapt={adapt},start={{start}}",
        start=START,
    )


CLAIM = Claim(
    title="GeoRSCLIP: adapters of a held model",
    arxiv="2306.11300",
    says="adapters of a few per cent of the parameters take a model to another domain about as far as training all",
    arms={
        "as it is": adapted("all", "--config.optimizer.learning_rate=1e-9"),
        "all parameters": adapted("all"),
        "LoRA": adapted("lora"),
        "LoRA of queries and values": adapted(
            "lora", "--config.model.adapters.rules=attention/qkv$ = lora 8 qv"
        ),
        "bottlenecks": adapted("bottleneck"),
        "biases": adapted("bias"),
    },
)
