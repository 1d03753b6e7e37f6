"""Post-training quantization, native: observe, take ranges, place, round, write."""
