"""The thread that writes checkpoints beside the steps, and leaves them the cores."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

BEHIND = 10  # niceness of what writes: of a core that a step wants as well it gets a tenth


def writer(name: str) -> ThreadPoolExecutor:
    """Returns a pool of one thread that, like those it starts, stands back where a step wants the cores as well.

    A step on CPU devices is as late as the last of its threads.

    Args:
      name: of the thread.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name, initializer=_stand_back)


def _stand_back() -> None:
    if sys.platform == "linux":  # elsewhere all threads of a process have one priority
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND))
