"""What processes agree on, with the others' answers made up; and signs of life as files."""

from __future__ import annotations

import json
import os
import socket
import time
from types import SimpleNamespace

import numpy as np
import pytest

from input_pipeline.errors import UserError
from vlp.processes import agreement, heartbeat, lost
from vlp.processes.heartbeat import FOLDER, Heartbeat, Sign, State, signs, state_of
from vlp.processes.lost import launch_of, own_sign, runs_here, speaks_of_others


def others_say(monkeypatch, *kinds):
    """The other processes: 0 = all is well, 1 = a user's mistake, 2 = another error."""
    monkeypatch.setattr(agreement.jax, "process_count", lambda: 1 + len(kinds))
    gathered = lambda own: np.concatenate([own, kinds]).reshape(-1, 1)  # noqa: E731
    monkeypatch.setattr(agreement.multihost_utils, "process_allgather", gathered)


@pytest.mark.parametrize(
    ("kinds", "kind", "words"),
    [((0, 1), UserError, "process 2 cannot go on"), ((2, 1), RuntimeError, "process 1, 2 cannot go on")],
)
def test_an_error_elsewhere_ends_this_process_as_well(monkeypatch, kinds, kind, words):
    others_say(monkeypatch, *kinds)
    with pytest.raises(kind, match=words) as raised:
        agreement.raise_together(None)
    assert type(raised.value) is kind


def test_where_nobody_has_an_error_all_go_on_and_an_own_one_comes_first(monkeypatch):
    agreement.raise_together(None)
    others_say(monkeypatch, 0, 0)
    agreement.raise_together(None)
    others_say(monkeypatch, 2)
    for error in (UserError("mine"), OSError("mine")):
        with pytest.raises(type(error), match="mine"):
            agreement.raise_together(error)


def test_others_are_told_which_kind_of_error_it_is(monkeypatch):
    told = []
    monkeypatch.setattr(agreement.jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        agreement.multihost_utils, "process_allgather", lambda own: told.append(own.tolist()) or own
    )
    agreement.raise_together(None)
    for error in (UserError("x"), OSError("x")):
        with pytest.raises(type(error)):
            agreement.raise_together(error)
    assert told == [[0], [1], [2]]


def test_the_first_process_decides_alone_where_there_is_no_other(monkeypatch):
    assert agreement.from_first(7) == 7
    monkeypatch.setattr(agreement.jax, "process_count", lambda: 2)
    monkeypatch.setattr(agreement.multihost_utils, "broadcast_one_to_all", lambda value: value + 1)
    assert agreement.from_first(7) == 8


def test_a_process_says_how_it_ended_and_at_which_step(tmp_path):
    class Info:
        step = 12

    with Heartbeat(tmp_path, 1, 3, launch=5) as heart:
        (begun,) = signs(tmp_path)
        heart(Info)
    (ended,) = signs(tmp_path)
    mine = Sign(1, 3, socket.gethostname(), os.getpid(), 0, 0, launch=5, born=state_of(os.getpid()).born)
    assert begun == mine and ended == mine._replace(step=12, ended="finished")
    assert heart.every == 1 and heart.at_end
    with pytest.raises(OSError), Heartbeat(tmp_path, 0, 3):
        raise OSError("disk full")
    (tmp_path / FOLDER / "9.json").write_text("{torn")
    (tmp_path / FOLDER / "8.json").write_text(json.dumps({"other": 1}))
    assert [(one.process, one.ended) for one in signs(tmp_path)] == [
        (0, "OSError: disk full"),
        (1, "finished"),
    ]


def test_a_sign_is_one_s_own_by_host_number_and_birth_and_others_are_of_the_same_launch(
    tmp_path, monkeypatch
):
    (tmp_path / FOLDER).mkdir()
    here, born = socket.gethostname(), state_of(os.getpid()).born

    def say(*given):
        for sign in given:
            (tmp_path / FOLDER / f"{sign.process}.json").write_text(json.dumps(sign._asdict()))

    own = Sign(0, 3, here, os.getpid(), 1, 1, launch=4, born=born)
    say(own, own._replace(process=1), own._replace(process=2, launch=3))
    assert own_sign(tmp_path, os.getpid()) == own and [one.process for one in launch_of(tmp_path, own)] == [1]
    say(own._replace(host="far"), own._replace(process=1, born="1"), own._replace(process=2, born=""))
    assert own_sign(tmp_path, os.getpid()).process == 2
    assert runs_here(own) and runs_here(own._replace(born="")) and not runs_here(own._replace(born="1"))
    monkeypatch.setattr(lost, "state_of", lambda pid: State("?", ""))  # a host without /proc
    assert runs_here(own)
    monkeypatch.undo()
    assert not runs_here(own._replace(pid=4_194_305))


def test_a_heart_beats_as_long_as_it_lives_and_says_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)
    with Heartbeat(tmp_path, 0, 1) as heart:
        heart(SimpleNamespace(step=7))
        deadline = time.monotonic() + 30
        while not (seen := signs(tmp_path)) or seen[0].beats < 3 or seen[0].step != 7:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    (last,) = signs(tmp_path)
    assert last.beats >= seen[0].beats and last.ended == "finished"
    beats = last.beats
    time.sleep(0.05)
    assert signs(tmp_path)[0].beats == beats


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("JaxRuntimeError: INTERNAL: Gloo AllReduce failed", True),
        ("XlaRuntimeError: DEADLINE_EXCEEDED: barrier", True),
        ("JaxRuntimeError: RESOURCE_EXHAUSTED: out of memory", False),
        ("OSError: connection reset by peer", False),
    ],
)
def test_errors_that_speak_of_others_are_known(words, said):
    assert speaks_of_others(words) == said
