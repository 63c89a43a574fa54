"""Make a classifier of a concept: mine images by phrases, have a few answered, fit, ask again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int

import vlp
from input_pipeline.evaluation_set import EvaluationSet, load_evaluation_set
from input_pipeline.whole_files import write_whole
from vlp.active.annotators import Annotator, Answers, Asked, annotator_of, read_answers
from vlp.active.concept import doubtful, fitted, log_odds, mined, text_scores
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring, use_compilation_cache

NEEDS = ()
TAKES = ("checkpoint", "source")
WRITES = ("folder",)
READS_MODEL = True
METHODS = [
    {
        "paper": "Modeling Collaborator: Enabling Subjective Vision Classification With Minimal Human Effort",
        "arxiv": "2403.02626",
        "family": "data",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/concept_start",),
        "flags": "--checkpoint=runs/methods/concept_start --output=runs/methods/concept "
        "--source=data/quickstart/val.parquet --config.concept.positive=\"('a face','a person')\" "
        "--config.concept.negative=\"('a thing',)\" --config.concept.annotator='label:people*'",
        "check": "tests/jobs/test_concept_job.py::test_a_hundred_answers_beat_the_phrases_and_no_more_are_asked",
    },
]
ANSWERS = "answers.jsonl"


def run(options: JobOptions) -> int:
    """Leaves the answers, the score of every image, the ids that the probe says yes to, and the probe.

    Raises:
      ConfigError: no checkpoint, output or phrase is named, several sources, or an annotator that fails.
    """
    settings, output = options.config.concept, Path(options.output)
    if not options.checkpoint or not options.output or not settings.positive:
        raise ConfigError(
            "--job=concept needs --checkpoint=PATH, --output=FOLDER and --config.concept.positive=\"('a phrase',)\""
        )
    use_compilation_cache()
    with configuring():
        annotator = annotator_of(settings.annotator, settings.positive[0])
        model = vlp.load(options.checkpoint)
        sources = asked_sources(options)
        if len(sources) != 1:
            raise ConfigError(f"--job=concept reads one source, not {', '.join(sources)}: give one a weight")
        (entry,) = sources.values()
        pool = load_evaluation_set(
            entry, model.preprocessing, max_bad_share=options.config.data.max_bad_share
        )
        rows = model.encode_image_array(pool.images)
        phrases = [model.encode_text(list(own)) for own in (settings.positive, settings.negative) if own]
        scores = text_scores(rows, phrases[0], phrases[1] if len(phrases) > 1 else phrases[0][:0])
        asking = _Asking(pool, annotator, output / ANSWERS, settings.budget)
        probe = _rounds(asking, rows, scores, settings)
    _write(output, pool, asking, probe)
    yes = sum(answer["yes"] for answer in asking.answers.values())
    print(
        f"{output}: {len(asking.answers)} answers, {yes} of them yes; the probe says yes to "
        f"{int((probe[0] >= 0).sum())} of {len(pool)} images"
    )
    return 0


class _Asking:
    """What was answered, and what may still be asked; answers of an interrupted job count, and are not asked again."""

    def __init__(self, pool: EvaluationSet, annotator: Annotator, file: Path, budget: int) -> None:
        self._pool, self._annotator, self._file, self._budget = pool, annotator, file, budget
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        known = read_answers(lines, str(file))
        self.answers: Answers = {name: known[name] for name in pool.ids if name in known}
        self._asked = set(self.answers)

    @property
    def left(self) -> int:
        return max(0, self._budget - len(self._asked))

    @property
    def free(self) -> Int[np.ndarray, " free"]:
        """Places of the images that nobody was asked about."""
        return np.array([at for at, name in enumerate(self._pool.ids) if name not in self._asked], int)

    @property
    def answered(self) -> Int[np.ndarray, " answered"]:
        return np.array([at for at, name in enumerate(self._pool.ids) if name in self.answers], int)

    @property
    def yes(self) -> np.ndarray:
        return np.array([self.answers[self._pool.ids[at]]["yes"] for at in self.answered], bool)

    def ask(self, places: Int[np.ndarray, " count"]) -> None:
        pool, chosen = self._pool, places[: self.left]
        asked = [
            Asked(pool.ids[at], pool.images[at], pool.labels[at], pool.tags[at], pool.captions[at])
            for at in chosen.tolist()
        ]
        self._asked |= {one.id for one in asked}
        self.answers |= self._annotator(asked)
        lines = [json.dumps({"id": name, **answer}) for name, answer in self.answers.items()]
        write_whole(self._file, "".join(f"{line}\n" for line in lines).encode())


def _rounds(
    asking: _Asking, rows: Float[np.ndarray, "n dim"], scores: Float64[np.ndarray, " n"], settings: Any
) -> tuple[Float64[np.ndarray, " n"], Any]:
    """Asks and fits by turns; returns the scores of all images, and the probe behind them.

    Raises:
      ConfigError: all answers are alike, so that there is nothing to fit.
    """
    model = None
    for number in range(settings.rounds):
        if asking.left and len(asking.free):
            choose = mined if model is None else doubtful
            asking.ask(choose(scores, asking.free, -(-asking.left // (settings.rounds - number))))
        if len(set(asking.yes.tolist())) == 2:
            model = fitted(rows[asking.answered], asking.yes, settings.penalty)
            scores = log_odds(model, rows)
    if model is None:
        answers = "no answers" if not len(asking.yes) else f"{len(asking.yes)} answers, all of them alike"
        raise ConfigError(
            f"--job=concept has {answers}: a probe needs yes and no; other phrases in concept.positive, or a larger "
            "concept.budget, find more"
        )
    return scores, model


def _write(output: Path, pool: EvaluationSet, asking: _Asking, probe: tuple[Any, Any]) -> None:
    scores, model = probe
    order = np.argsort(-scores, kind="stable").tolist()
    lines = [json.dumps({"id": pool.ids[at], "score": float(scores[at])}) for at in order]
    write_whole(output / "scores.jsonl", "".join(f"{line}\n" for line in lines).encode())
    kept = [pool.ids[at] for at in order if scores[at] >= 0]
    write_whole(output / "kept.txt", "".join(f"{name}\n" for name in kept).encode())
    weights = (model.weights[:, 1] - model.weights[:, 0]).tolist()
    content = {
        "weights": weights,
        "bias": float(model.bias[1] - model.bias[0]),
        "answers": len(asking.answers),
    }
    write_whole(output / "probe.json", (json.dumps(content) + "\n").encode())
