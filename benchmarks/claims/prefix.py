"""A token that says which source speaks, while training and at test time."""

from benchmarks.claims import SET, Claim, Step, job
from benchmarks.claims._mixtures import PREFIX_TOKENS, mixture

RUN = mixture(targets="label", prefixes=True)


def tested(token: str) -> Step:
    """Returns an evaluation of the same run with another prefix before the prompts."""
    return job(
        *("evaluate", "--checkpoint={run}", "--output={folder}/results.json"),
        *(f"--config.evaluators.{name}.sets={SET}" for name in ("zero_shot", "retrieval")),
        *(f"--config.evaluators.{name}.prefix_token={token}" for name in ("zero_shot", "retrieval")),
        PREFIX_TOKENS,
        run=RUN,
    )


CLAIM = Claim(
    title="Prefix conditioning: the source, told to the text tower",
    arxiv="2206.01125",
    says="prefixes improve zero-shot recognition of UniCL and CLIP on mixtures of captions and labels, and the "
    "captions' prefix is the best at test time",
    arms={
        "UniCL": mixture(targets="label"),
        "UniCL + prefixes, tested with caption": tested("caption"),
        "UniCL + prefixes, tested with label": tested("label"),
        "UniCL + prefixes, tested with none": tested(""),
    },
)
