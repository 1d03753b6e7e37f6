"""Simulations that hold the verdicts of edgeopt.judge to what they promise."""
