"""Which corrections a model gets: candidates, trials on samples held back, and the decision."""
