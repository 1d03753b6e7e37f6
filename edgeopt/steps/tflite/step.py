"""The step that makes a .tflite file from an ONNX model."""

from __future__ import annotations
