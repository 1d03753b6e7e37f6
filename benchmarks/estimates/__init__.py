"""Rates of latency estimates: fitted on published measurements, and checked on families that they have not seen."""
