"""Every model that open_clip lists: imported and equal, or refused by name, as the table in docs/interop.md says."""

from __future__ import annotations

import pytest

from benchmarks.peers.open_clip_families import REFUSED, TOLERANCE, cell, rows, tried

open_clip = pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")

SHARE = 0.9  # of the models, that are imported at least


def test_the_table_has_every_model_and_none_that_encodes_otherwise() -> None:
    said = rows()
    assert list(said) == open_clip.list_models()
    imported = [outcome for outcome in said.values() if not outcome.startswith(REFUSED)]
    assert all(float(difference) <= TOLERANCE for difference in imported)
    assert len(imported) >= SHARE * len(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", rows())
def test_a_model_encodes_as_open_clip_does_or_is_refused_by_name(name: str) -> None:
    outcome, said = tried(name), rows()[name]
    assert outcome.holds
    assert (cell(outcome) if outcome.difference is None else "") == (said if said.startswith(REFUSED) else "")
