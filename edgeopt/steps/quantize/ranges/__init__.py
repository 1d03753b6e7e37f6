"""From what was seen of a tensor to the range that its integers span."""
