"""An ONNX graph in memory: loaded safely, folded, and costed."""
