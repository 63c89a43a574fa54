"""Evaluations to run on any checkpoint: --job=evaluate --checkpoint=RUN --config=configs/eval/NAME.py."""
