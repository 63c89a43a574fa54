"""What is measured with."""
