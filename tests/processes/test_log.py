"""A process's own log: what it holds, how it ends, and that nothing of it is left behind."""

from __future__ import annotations

import faulthandler
import logging
from pathlib import Path

import pytest

from vlp.processes.log import logging_to


def emptied(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root logger without the handlers of the tests, which come with each phase of a test."""
    logger = logging.getLogger()
    monkeypatch.setattr(logger, "handlers", [])
    return logger


def test_what_a_process_says_and_libraries_warn_of_is_in_its_file_with_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root, before = emptied(monkeypatch), faulthandler.is_enabled()
    with logging_to(tmp_path, 3) as logger:
        assert logger is logging.getLogger("vlp") and faulthandler.is_enabled()
        logger.info("begun")
        logging.getLogger("others").info("chatter")
        logging.getLogger("others").warning("slow: %s", "https://me:secret@host/a?sig=hidden")
    lines = (tmp_path / "logs" / "3.log").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 2)[2].split(":")[0] for line in lines] == ["INFO begun", "WARNING slow"]
    shown = capfd.readouterr().err
    assert shown.startswith("slow: https://") and "begun" not in shown  # the screen has the progress line
    assert not any(word in text for word in ("secret", "hidden") for text in (shown, lines[1]))
    assert not root.handlers and not logger.handlers and logger.propagate
    faulthandler.enable() if before else faulthandler.disable()


def test_the_end_of_a_run_is_in_the_file_and_another_begins_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, handler = emptied(monkeypatch), logging.NullHandler()
    root.handlers.append(handler)
    for words in ("first", "second"):
        with pytest.raises(OSError, match=words), logging_to(tmp_path, 0):
            assert len(root.handlers) == 2  # somebody else has the screen
            raise OSError(words)
    text = (tmp_path / "logs" / "0.log").read_text(encoding="utf-8")
    assert text.count("ERROR the run ends with an error") == 2
    assert text.index("OSError: first") < text.index("OSError: second") and root.handlers == [handler]
