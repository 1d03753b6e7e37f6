"""The fully connected autoencoder of MLPerf Tiny's anomaly detection: a machine that sounds unusual is rebuilt badly.

Sources: Koizumi et al., "Description and Discussion on DCASE2020 Challenge Task2", https://arxiv.org/abs/2006.05822,
in the version of Banbury et al., "MLPerf Tiny Benchmark", https://arxiv.org/abs/2106.07597, whose Keras model is
mlcommons/tiny, benchmark/training/anomaly_detection/keras_model.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

# Keras' default, with which MLPerf Tiny's weights were trained.
_NORMALIZATION_EPSILON = 1e-3


def build(*, features: int = 640, width: int = 128, bottleneck: int = 8) -> nn.Module:
    """The autoencoder with fresh weights, in training mode.

    With the defaults it has 267,928 parameters (265,864 with batch normalization folded) and takes 264,192 MACs a
    sample. Four layers of `width`, one of `bottleneck`, four of `width`, each with batch normalization and ReLU, then
    a layer of `features` without either.

    Args:
        features: inputs and outputs, 1 or more; 640 are five frames of 128 mel bands.
        width: units of a hidden layer, 1 or more.
        bottleneck: units of the narrowest layer, 1 or more.

    Returns:
        A module from features (batch, feature) float32 to their reconstruction, of the same shape.
    """
    from torch import nn

    widths = [features, *[width] * 4, bottleneck, *[width] * 4]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        normalization = nn.BatchNorm1d(outputs, eps=_NORMALIZATION_EPSILON)
        layers += [nn.Linear(inputs, outputs), normalization, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, features))


def example_inputs(*, features: int = 640) -> tuple[Tensor, ...]:
    """One sample of noise, the same at every call.

    Args:
        features: length of the sample.

    Returns:
        One tensor (batch=1, feature) float32, normal with mean 0 and variance 1.
    """
    import torch

    return (torch.randn((1, features), generator=torch.Generator().manual_seed(0)),)
