"""Writers of operators, one module per family; `edgeopt/steps/tflite/operators.py` says which writes what."""
