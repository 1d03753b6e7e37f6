"""Rewrites of a float graph, its function unchanged, into operators that ONNX Runtime runs well on integers."""
