"""What the conversion to TFLite reaches: the scoreboard of operators, accuracy, size, speed and cost."""
