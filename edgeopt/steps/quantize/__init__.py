"""Post-training quantization, native: observe, calibrate, place, round, write."""
