"""Several processes as one run: who started them, how they join, and what is said when one of them is lost."""
