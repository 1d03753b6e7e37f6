"""Models of training frameworks written as ONNX: torch modules and programs, scikit-learn estimators."""
