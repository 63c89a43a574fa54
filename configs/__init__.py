"""Config files: one per pretraining variant, each a few lines of difference to `configs/base.py`."""
