"""Training: state, step, optimiser, schedules, the loop and what it writes."""
