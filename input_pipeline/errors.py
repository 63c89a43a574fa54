"""The error of a mistake that is the user's, wherever it is found."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what was given: a setting, a file, an argument. Says the value, the limit and what to do next.

    Whoever runs a command sees it in one line. A plain ValueError is a bug, and keeps its traceback.
    """


class UnreadableFile(UserError):
    """A file that is damaged, cut off or of another format, whatever was asked of it: others may still be read."""
