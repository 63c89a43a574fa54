"""Starts vlp from a checkout: `python main.py --help` says what it does, `vlp/cli.py` how."""

if __name__ == "__main__":
    from vlp.command import run

    run()

from vlp.cli import main, prepare

__all__ = ["main", "prepare"]
