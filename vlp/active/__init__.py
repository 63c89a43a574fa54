"""Which images to have labelled next: pure functions of a model's scores, features and what is known already."""
