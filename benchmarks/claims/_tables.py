"""From results to the tables of docs/claims.md: means, spreads, and differences seed by seed."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.claims._claim import Claim, Recipe, digest, load
from benchmarks.claims._figures import Figure
from input_pipeline.whole_files import write_whole

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "claims.md"
LEVEL = 0.95
Results = Mapping[str, Any]


def recorded(name: str) -> Results | None:
    """Returns the results of a claim, as the repository has them."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def record(path: Path, results: Results) -> None:
    """Writes results to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(results, indent=1) + "\n").encode())


def declared(claim: Claim) -> dict[str, str]:
    """Returns what the arms are, so that results of other flags are told apart."""
    return {name: digest(arm, 0, Recipe(claim.steps)) for name, arm in claim.arms.items()}


def table(claim: Claim, results: Results) -> str:
    """Returns a claim as Markdown: mean ± standard deviation over the seeds, and below it the difference.

    The difference from the arm that is compared with is the mean ± standard deviation of the seeds' own differences; it
    is bold where the 95% interval of Student's t leaves out zero.
    """
    arms = {name: results["arms"][name] for name in claim.arms if results["arms"].get(name)}
    columns = {
        name: one for name, one in claim.figures.items() if any(_values(arm, name) for arm in arms.values())
    }
    lines = [
        "| " + " | ".join([f"{results['steps']} steps", *columns]) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    base = arms.get(claim.baseline, {})
    for name, arm in arms.items():
        cells = [
            _cell(one, _values(arm, figure), {} if name == claim.baseline else _values(base, figure))
            for figure, one in columns.items()
        ]
        lines.append(f"| {name}{_fewer(arm, results)} | " + " | ".join(cells) + " |")
    if any(one.chance is not None for one in columns.values()):
        lines.append("| chance | " + " | ".join(map(_chance, columns.values())) + " |")
    return "\n".join(lines)


def block(name: str) -> str:
    """Returns what stands between a claim's marks: what the paper says, and the table."""
    claim, results = load(name), recorded(name)
    if results is None:
        return "Not run yet.\n"
    where = f"[{claim.arxiv}](https://arxiv.org/abs/{claim.arxiv}): " if claim.arxiv else ""
    return f"{where}{claim.says}.\n\n{table(claim, results)}\n"


def document(text: str) -> str:
    """Returns a text with each `<!-- claim NAME -->` to `<!-- end -->` filled from the recorded results."""
    return re.sub(
        r"(<!-- claim (\w+) -->\n).*?(?=<!-- end -->)",
        lambda match: f"{match[1]}{block(match[2])}",
        text,
        flags=re.DOTALL,
    )


def marked(text: str) -> Iterator[str]:
    """Yields the claims that a document has a place for."""
    return (match[1] for match in re.finditer(r"<!-- claim (\w+) -->", text))


def _values(arm: Results, figure: str) -> dict[str, float]:
    """By seed, where there is a value."""
    return {seed: own[figure] for seed, own in arm.items() if own.get(figure) is not None}


def _cell(figure: Figure, own: dict[str, float], base: dict[str, float]) -> str:
    if not own:
        return "-"
    shared = [own[seed] - base[seed] for seed in own if seed in base]
    text = _spread(figure, list(own.values()))
    if not shared:
        return text
    difference = _spread(figure, shared, sign="+")
    return f"{text}<br>{f'**{difference}**' if differs(shared) else difference}"


def differs(differences: list[float]) -> bool:
    """Tells whether the interval of Student's t for paired differences leaves out zero."""
    count = len(differences)
    if count < 2:
        return False
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * statistics.stdev(differences) / count**0.5
    return abs(statistics.mean(differences)) > half


def _spread(figure: Figure, values: list[float], sign: str = "") -> str:
    scale, digits = (100, 1) if figure.percent else (1, 3)
    spread = f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{scale * statistics.mean(values):{sign}.{digits}f}{spread}"


def _chance(figure: Figure) -> str:
    return "-" if figure.chance is None else _spread(figure, [figure.chance])


def _fewer(arm: Results, results: Results) -> str:
    return f" ({len(arm)} of {results['seeds']} seeds)" if len(arm) < results["seeds"] else ""
