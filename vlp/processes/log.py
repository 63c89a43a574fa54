"""Every process's own log file, for what only process 0 shows and for what only this process knows."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
from collections.abc import Iterator
from pathlib import Path

from input_pipeline.addresses import redacted

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Shown(logging.Formatter):
    """A line in which addresses show no secrets: logs are passed on."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record, its traceback as well."""
        return redacted(super().format(record))


@contextlib.contextmanager
def logging_to(workdir: Path, process: int) -> Iterator[logging.Logger]:
    """Returns the logger `vlp`, which meanwhile writes to logs/<process>.log of the workdir, with all warnings of
    libraries.

    Where the process crashes, the stack of every thread goes there as well.
    """
    path = workdir / "logs" / f"{process}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a", encoding="utf-8")
    in_file = logging.StreamHandler(stream)
    in_file.setFormatter(Shown(FORMAT))
    logger, root = logging.getLogger("vlp"), logging.getLogger()
    on_screen: list[logging.Handler] = (
        [] if root.handlers else [logging.StreamHandler()]
    )  # else warnings would go to the file alone
    for handler in on_screen:
        handler.setLevel(logging.WARNING)
        handler.setFormatter(Shown())
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the screen has the progress line
    logger.addHandler(in_file)
    for handler in (in_file, *on_screen):
        root.addHandler(handler)
    faulthandler.enable(stream)
    try:
        yield logger
    except BaseException:
        logger.exception("the run ends with an error")
        raise
    finally:
        faulthandler.disable()
        logger.propagate = True
        logger.removeHandler(in_file)
        for handler in (in_file, *on_screen):
            root.removeHandler(handler)
        stream.close()
