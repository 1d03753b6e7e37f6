"""Measuring what a runtime does with an artifact: time, memory, predictions, and the conditions it was done in."""
