"""What calibration sees: extremes, histograms, channels and moments, in streaming passes."""
