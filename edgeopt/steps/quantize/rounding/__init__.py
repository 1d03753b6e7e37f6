"""Weights to integers: nearest, GPTQ, AdaRound, blocks of 4 bits; and the bias that makes up for the rest."""
