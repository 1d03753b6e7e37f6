"""Other converters that the user has installed, each in a process of its own, and what they make judged as ours is."""
