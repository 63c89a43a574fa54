"""What makes the objective small: the tokens of captions are the classes."""

SETTINGS = {"labels": "text", "classes": 56, "kernel": "softmax", "rare": "frequency", "chunk": 3}
