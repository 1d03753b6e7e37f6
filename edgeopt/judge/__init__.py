"""Judgements over figures that are already measured: nothing here runs a model or reads one."""
