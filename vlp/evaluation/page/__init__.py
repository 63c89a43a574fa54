"""What an evaluation or a comparison of runs shows: one HTML file that needs no server, network or other file."""
