"""Choices of what to train on: --job=curate --config=configs/curate/NAME.py --output=FOLDER."""
