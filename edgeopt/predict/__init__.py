"""Predicting what a model costs on a device that is not here, from published measurements: always with an interval."""
