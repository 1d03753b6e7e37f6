"""The local record: content-addressed files, and an index of the runs and artifacts that they hold."""
