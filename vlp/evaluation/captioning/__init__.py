"""What a model writes about images, against what people wrote."""
