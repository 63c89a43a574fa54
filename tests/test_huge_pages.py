"""Programs that compute on the CPU start again with huge pages, once, and only where nobody has decided otherwise."""

from __future__ import annotations

import os
import sys

import pytest

from vlp import huge_pages


class Replaced(Exception):
    """In place of the new program."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    calls: list[tuple] = []

    def execv(*arguments: object) -> None:
        calls.append(arguments)
        raise Replaced

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv(huge_pages.TUNABLES, raising=False)
    return calls


def test_starts_again_with_the_same_command_and_only_once(started: list[tuple]) -> None:
    with pytest.raises(Replaced):
        huge_pages.restart_with_huge_pages()
    assert started == [(sys.executable, sys.orig_argv)]
    assert os.environ[huge_pages.TUNABLES] == "glibc.malloc.hugetlb=1"
    huge_pages.restart_with_huge_pages()  # the new program finds it set
    assert len(started) == 1


def test_leaves_accelerators_and_other_systems_alone(
    started: list[tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    huge_pages.restart_with_huge_pages()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr(sys, "platform", "darwin")
    huge_pages.restart_with_huge_pages()
    assert not started and huge_pages.TUNABLES not in os.environ
