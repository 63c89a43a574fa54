"""What one visit to a record shows: a crop of its image, one of its captions."""
