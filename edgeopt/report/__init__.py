"""Records turned into what people and other tools read; works from a JSON record alone."""
