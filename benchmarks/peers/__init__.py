"""The rivals side by side: same models, calibration samples and runtime."""
