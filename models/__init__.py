"""Reference architectures for small devices, and the small trained model that the demo runs.

Each module with an architecture offers `build()`, the network with fresh weights, and `example_inputs()`, the
tensors to trace it with. Both import torch only when called.
"""
