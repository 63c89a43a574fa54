"""Which entry of `selection` is active, and how many rows of a batch it leaves."""

from configs.settings.selection import active, trained_rows

__all__ = ["active", "trained_rows"]
