"""ONNX to TFLite: the flatbuffer is written here, without TensorFlow."""
