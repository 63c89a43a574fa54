"""What jobs other than training ask for: a file a job, whose group in the config has the file's name."""
