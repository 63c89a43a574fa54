"""k-NN, linear probe and zero-shot beside scikit-learn on a part of ImageNet's size, and what the whole would take.

ImageNet has 1.28 million rows to learn from and 50,000 to ask, in 1,000 classes. Both sides get the same made-up rows,
in the same run and on the same cores. k-NN and zero-shot cost what the rows do, an iteration of the probe too, and
iterations are taken to be those of the part: that is how times are carried over to the whole. Memory is that of arrays
that have to be there at once.

    python -m benchmarks.imagenet_size [--rows=20000] [--queries=2000] [--classes=1000] [--dim=512] [--penalty=1.0]
        [--tolerance=1e-6] [--rounds=1] [--alone]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.harness import alternated, peak_gib
from benchmarks.linear_probe import embeddings
from vlp.evaluation.classification.classifier import Classifier, classify
from vlp.evaluation.probes.linear import LOGISTIC, LinearProbe
from vlp.evaluation.probes.neighbours import neighbour_votes
from vlp.evaluation.texts.class_texts import pooled

ROWS, QUERIES = 1_281_167, 50_000
NEIGHBOURS, TEMPERATURE = 20, 0.07


def contestants(options: argparse.Namespace) -> dict[str, dict[str, Callable[[], np.ndarray]]]:
    """Returns by task and side what answers the queries."""
    classes = options.classes
    train, labels = embeddings(options.rows, options.dim, classes, 1)
    test, truth = embeddings(options.queries, options.dim, classes, 2)
    means = np.stack([train[labels == one].mean(axis=0) for one in range(classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    table = Classifier(pooled([["a class"]] * classes, means, "embedding", 100.0), 100.0)

    def votes() -> np.ndarray:
        options_of = {"neighbours": NEIGHBOURS, "temperature": TEMPERATURE}
        return neighbour_votes(train, labels, test, classes, **options_of).argmax(axis=1)

    def probe() -> np.ndarray:
        fitted = LinearProbe(train, labels, classes, LOGISTIC).fit(options.penalty)
        return fitted.scores(test).argmax(axis=1)

    tasks: dict[str, dict[str, Callable[[], np.ndarray]]] = {
        "k-NN": {"vlp": votes},
        "linear probe": {"vlp": probe},
        "zero-shot": {"vlp": lambda: classify(table, test, truth).predicted},
    }
    if not options.alone:
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier

        def weights(distances: np.ndarray) -> np.ndarray:
            return np.exp((1 - distances) / TEMPERATURE)

        def nearest() -> np.ndarray:
            settings = {"algorithm": "brute", "metric": "cosine", "weights": weights}
            return KNeighborsClassifier(NEIGHBOURS, **settings).fit(train, labels).predict(test)

        def regression() -> np.ndarray:
            model = LogisticRegression(C=1 / options.penalty, tol=options.tolerance, max_iter=10_000)
            return model.fit(train, labels).predict(test)

        tasks["k-NN"]["scikit-learn"] = nearest
        tasks["linear probe"]["scikit-learn"] = regression
        tasks["zero-shot"]["numpy"] = lambda: (test @ means.T).argmax(axis=1)
    print(f"chance {1 / classes:.2%}; classes of the queries: {len(np.unique(truth))}")
    return tasks


def times_larger(task: str, options: argparse.Namespace) -> float:
    """How much more the whole is than the part."""
    rows, queries = ROWS / options.rows, QUERIES / options.queries
    return {"k-NN": rows * queries, "linear probe": rows, "zero-shot": queries}[task]


def gib(task: str, dim: int, classes: int) -> float:
    """Memory of the whole's arrays: float32 rows, and of the probe its centred copy and the scores of its rows."""
    rows, queries = 4 * dim * ROWS, 4 * dim * QUERIES
    own = {"k-NN": rows, "linear probe": 2 * rows + 4 * classes * ROWS, "zero-shot": 0}[task]
    return (own + queries) / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("rows", 20_000),
        ("queries", 2_000),
        ("classes", 1000),
        ("dim", 512),
        ("rounds", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument(
        "--tolerance", type=float, default=1e-6, help="of scikit-learn's probe; its default ends early"
    )
    parser.add_argument("--alone", action="store_true", help="without scikit-learn")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    _, truth = embeddings(options.queries, options.dim, options.classes, 2)
    print(
        f"{options.rows} rows, {options.queries} queries, {options.dim} dimensions, {options.rounds} rounds"
    )
    for task, sides in contestants(options).items():
        sides["vlp"]()  # compiles
        found = alternated(sides, options.rounds)
        last = [*found.values()][-1]
        for side, taken in found.items():
            whole = taken.seconds * times_larger(task, options)
            right, memory = np.mean(taken.result == truth), gib(task, options.dim, options.classes)
            print(
                f"  {task:<12} {side:<12} {taken.seconds:7.2f} s ({taken.processor[-1]:.2f} s of processors)  "
                f"ratio {taken.to(last):5.2f}  right {right:.2%}  whole {whole / 60:8.1f} min, {memory:.1f} GiB",
                flush=True,
            )
    print(f"host memory of this run at most {peak_gib():.1f} GiB")


if __name__ == "__main__":
    main()
