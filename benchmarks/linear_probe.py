"""Our linear probe and SVM beside scikit-learn's on the same features, alternated in one run on the same cores.

Features are made up, but like embeddings: unit rows around a mean far from zero, whose variances fall as a power of
their rank. Both classifiers are asked for the same optimum; `objective` says how near each of them came to it.

    python -m benchmarks.linear_probe [--rows=50000] [--dim=512] [--classes=100] [--penalty=1.0] [--rounds=3]
        [--tolerance=1e-4] [--svm_rows=2000] [--search]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from benchmarks.harness import Times, alternated
from vlp.evaluation.probes.linear import LOGISTIC, SVM, Kind, LinearProbe
from vlp.evaluation.probes.suite import searched_fit

Fitted = tuple[np.ndarray, np.ndarray, int]  # weights [dim, classes], bias, iterations
TEST_ROWS = 10_000


def embeddings(rows: int, dim: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows and their classes; the same classes for every seed."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    places = shared.normal(size=(classes, dim)).astype(np.float32)
    turn = np.linalg.qr(shared.normal(size=(dim, dim)))[0].astype(np.float32)
    mean = shared.normal(size=dim).astype(np.float32) / 4
    spread = np.arange(1, dim + 1, dtype=np.float32) ** -0.7
    labels = own.integers(0, classes, rows)
    found = ((places[labels] / 3 + own.normal(size=(rows, dim)).astype(np.float32)) * spread) @ turn + mean
    return found / np.linalg.norm(found, axis=1, keepdims=True), labels


def ours(features: np.ndarray, labels: np.ndarray, classes: int, kind: Kind, penalty: float) -> Fitted:
    """With all that belongs to it: centring, principal directions, and the fit."""
    model = LinearProbe(features, labels, classes, kind).fit(penalty)
    return model.weights, model.bias, model.iterations


def regression(features: np.ndarray, labels: np.ndarray, penalty: float, tolerance: float) -> Fitted:
    """scikit-learn's; its default tolerance ends it before ours, at a higher objective."""
    model = LogisticRegression(C=1 / penalty, tol=tolerance, max_iter=10_000).fit(features, labels)
    return model.coef_.T, model.intercept_, int(model.n_iter_[0])


def svc(features: np.ndarray, labels: np.ndarray, penalty: float) -> Fitted:
    """LIBLINEAR's, with the tolerance it has by default."""
    model = LinearSVC(C=1 / penalty, max_iter=1000).fit(features, labels)
    return model.coef_.T, model.intercept_, int(model.n_iter_)


def objective(fitted: Fitted, features: np.ndarray, labels: np.ndarray, kind: Kind, penalty: float) -> float:
    """In float64, divided by the number of rows."""
    weights, bias, _ = fitted
    scores = features.astype(np.float64) @ weights + bias
    own = np.arange(scores.shape[1]) == labels[:, None]
    if kind is LOGISTIC:
        high = scores.max(axis=1)
        losses = high + np.log(np.exp(scores - high[:, None]).sum(axis=1)) - scores[own]
    else:
        losses = (np.maximum(0, 1 - np.where(own, scores, -scores)) ** 2).sum(axis=1)
    squares = (weights**2).sum() + (bias**2).sum() * kind.penalised_bias
    return float(losses.mean() + penalty / 2 * squares / len(labels))


def compare(
    title: str,
    contestants: dict[str, Callable[[], Fitted]],
    judge: Callable[[Fitted], tuple[float, float]],
    rounds: int,
) -> None:
    """Alternates the contestants; the first call of each, which compiles, does not count."""
    contestants["vlp"]()  # compiles
    times = alternated(contestants, rounds)
    print(title)
    for name, taken in times.items():
        value, accuracy = judge(taken.result)
        print(
            f"  {name:<13} median {taken.seconds:7.2f} s  min {min(taken.wall):7.2f} s  to scikit-learn "
            f"{taken.to(times['scikit-learn']):.2f}  iterations {taken.result[2]:4d}  objective {value:.7f}  "
            f"accuracy {accuracy:.2%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--svm_rows", type=int, default=2000, help="rows of the SVMs; 0 = leave them out")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of scikit-learn's regression")
    parser.add_argument("--search", action="store_true", help="also time CLIP's search for the penalty")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    features, labels = embeddings(options.rows, options.dim, options.classes, 1)
    test, truth = embeddings(TEST_ROWS, options.dim, options.classes, 2)
    penalty, shape = options.penalty, f"{options.dim} dimensions, {options.classes} classes"

    def judge(rows: int, kind: Kind) -> Callable[[Fitted], tuple[float, float]]:
        return lambda fitted: (
            objective(fitted, features[:rows], labels[:rows], kind, penalty),
            float(np.mean((test @ fitted[0] + fitted[1]).argmax(axis=1) == truth)),
        )

    compare(
        f"logistic regression, {options.rows} rows, {shape}, penalty {penalty:g}, {options.rounds} rounds",
        {
            "vlp": lambda: ours(features, labels, options.classes, LOGISTIC, penalty),
            "scikit-learn": lambda: regression(features, labels, penalty, options.tolerance),
        },
        judge(options.rows, LOGISTIC),
        options.rounds,
    )
    if rows := options.svm_rows:
        some = features[:rows], labels[:rows]
        compare(
            f"linear SVM, {rows} rows, {shape}, penalty {penalty:g}, {options.rounds} rounds",
            {
                "vlp": lambda: ours(*some, options.classes, SVM, penalty),
                "scikit-learn": lambda: svc(*some, penalty),
            },
            judge(rows, SVM),
            options.rounds,
        )
    if options.search:
        held_out = np.arange(len(labels)) % 5 == 4
        probe = LinearProbe(features, labels, options.classes)
        times = Times[Any]()
        times.run(
            lambda: searched_fit(
                probe,
                np.where(held_out, 0, -1),
                lambda model, rows: model.scores(features[rows]).argmax(axis=1) == labels[rows],
            )
        )
        assert times.result is not None
        print(f"search: {len(times.result[1])} penalties and the last fit in {times.seconds:.1f} s")


if __name__ == "__main__":
    main()
