"""Reference architectures for small devices, and the small trained model that the demo runs.

Each module with an architecture offers `build()`, the network with fresh weights, and `example_inputs()`, the
tensors to trace it with. `weights` makes networks to measure on of those that nobody trained, and `export` writes ONNX
files. All import torch only when called.

| module | network | parameters | MACs a sample |
| --- | --- | --- | --- |
| `ds_cnn` | DS-CNN, keyword spotting of MLPerf Tiny | 23,756 | 2.66 M |
| `resnet8` | ResNet8, image classification of MLPerf Tiny | 78,186 | 12.50 M |
| `mobilenet_v1` | MobileNetV1 0.25, visual wake words of MLPerf Tiny, 96x96 | 216,322 | 7.49 M |
| `autoencoder` | anomaly detection of MLPerf Tiny | 267,928 | 264 k |
| `cifar_resnet` | ResNet-20 to -110 for CIFAR | 269,722 | 40.55 M |
| `mobilenet_v2` | MobileNetV2 1.0, 224x224 | 3,504,872 | 300.8 M |
| `resnet18` | ResNet-18, 224x224 | 11,689,512 | 1.814 G |
| `vit` | vision transformer for CIFAR | 2,693,578 | 182.8 M |
| `bert` | BERT-Mini, 128 tokens | 11,072,258 | 436.3 M |
"""
