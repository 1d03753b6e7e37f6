"""Budgets in, recipes out."""
