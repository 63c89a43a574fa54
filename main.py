"""Starts vlp from a checkout: `python main.py --help` says what it does, `vlp/cli.py` how."""

from vlp.cli import main, prepare, run

__all__ = ["main", "prepare"]

if __name__ == "__main__":
    run()
