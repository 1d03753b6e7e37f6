"""Channels scaled between layers, the function unchanged: equalization and SmoothQuant."""
