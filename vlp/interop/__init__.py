"""Import and export: models of Hugging Face, OpenCLIP and big_vision, in and out."""
