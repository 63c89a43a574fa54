"""Makes a convolutional tower small: its size says which of its kind it is, without width and depth."""

TINY = {"width": 16, "depth": 1, "resolution": 64}
