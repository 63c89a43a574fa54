"""Several processes save together: none waits for the word of one that will not come."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import pytest
from checkpoint_states import description, parts

from vlp.checkpoint import saving
from vlp.checkpoint.saving import Saving


def test_where_one_does_not_answer_in_time_the_first_gives_up_and_tells_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, str] = {}
    waited: list[float] = []

    def ask(topic: str, seconds: float = saving.board.SECONDS) -> str:
        waited.append(seconds)
        if topic.endswith("/1"):
            return json.dumps(["", {}])
        raise TimeoutError(f"nothing was said about {topic}")

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(saving.board, "tell", told.__setitem__)
    monkeypatch.setattr(saving.board, "ask", ask)
    model, training = parts(1)
    with pytest.raises(TimeoutError, match="/2"):
        Saving(tmp_path, 1, {"model": model, "training": training}, description(1)).finish()
    done = next(words for topic, words in told.items() if topic.endswith("/done"))
    assert "process 0: TimeoutError: nothing was said about" in done and not list(tmp_path.iterdir())
    assert sum(waited) <= 2 * saving.board.SECONDS and waited[1] <= saving.board.SECONDS
