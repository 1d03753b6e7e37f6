"""Reading data: files, folders and functions in, a `Dataset` bound to a model's inputs out."""
