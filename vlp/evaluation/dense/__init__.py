"""Dense prediction: classes and names of the parts of an image."""
