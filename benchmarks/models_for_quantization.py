"""Writes the networks that quantization is measured on as ONNX files, with data for those that nobody trained.

    python benchmarks/models_for_quantization.py FOLDER

needs torch (`make .venv/torch`) and takes about two minutes on two cores. For each network of NETWORKS, FOLDER gets
`NAME.onnx`. One that nobody trained (models/weights.py says what that means) gets `NAME.npz` too: `x`, samples for
calibration and for the error of quantization in dB. It has no labels, since the answers of such a network have no
meaning. The others have real data beside their weights, in ../shared/data or in models/.
"""

from __future__ import annotations

import argparse
import logging
import runpy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from places import ROOT, SHARED

import edgeopt
from edgeopt.units import format_bytes, format_count

STATISTICS_SEED = 1
SAMPLES_SEED = 2
STATISTICS_BATCHES = 4
BATCH_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network, trained or not.

    Attributes:
        module: Name of the module in models/.
        options: Of its `build`.
        checkpoint: Trained weights; None where nobody trained it.
        inputs: Given a number of samples and torch's generator, a tensor (sample, ...) to feed an untrained one with.
    """

    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    inputs: Callable[[int, Any], Any] | None = None


def images(samples: int, generator: Any, *, side: int) -> Any:
    """Noise like photographs: (sample, channel=3, height, width) float32 with mean 0 and variance 1.

    Every octave of spatial frequency is equally strong, as in natural images, whose power falls with the square of
    the frequency (Field 1987, https://doi.org/10.1364/JOSAA.4.002379). White noise would look the same to a network
    from image to image.
    """
    import torch

    scales = [2**octave for octave in range(side.bit_length()) if 2**octave <= side]
    noises = (torch.randn((samples, 3, cells, cells), generator=generator) for cells in scales)
    total = sum(
        torch.nn.functional.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)
        for noise in noises
    )
    return total / total.std()


def tokens(samples: int, generator: Any, *, vocabulary: int, length: int) -> Any:
    """Token ids (sample, position) int64, all equally likely."""
    import torch

    return torch.randint(vocabulary, (samples, length), generator=generator)


def features(samples: int, generator: Any, *, count: int) -> Any:
    """Normal features (sample, feature) float32 that go smoothly from one to the next, as those of a spectrum do."""
    import torch

    coarse = torch.randn((samples, 1, count // 8), generator=generator)
    return torch.nn.functional.interpolate(coarse, size=count, mode="linear", align_corners=False)[:, 0]


_BERT = {"vocabulary": 30_522, "length": 128}
NETWORKS = {
    "ds_cnn": Network(module="ds_cnn", checkpoint=SHARED / "kws" / "kws_dscnn.pt"),
    "resnet20": Network(module="cifar_resnet", checkpoint=SHARED / "cifar10" / "resnet20.pt"),
    "resnet56": Network(module="cifar_resnet", options={"depth": 56}, checkpoint=SHARED / "cifar10" / "resnet56.pt"),
    "resnet8": Network(module="resnet8", options={"channels": 1}, checkpoint=ROOT / "models" / "digits_resnet8.pt"),
    "autoencoder": Network(module="autoencoder", inputs=partial(features, count=640)),
    "mobilenet_v1_025_96": Network(module="mobilenet_v1", inputs=partial(images, side=96)),
    "mobilenet_v2_050_32": Network(
        module="mobilenet_v2",
        options={"classes": 10, "width_multiplier": 0.5, "side": 32},
        inputs=partial(images, side=32),
    ),
    "mobilenet_v2_100_224": Network(module="mobilenet_v2", inputs=partial(images, side=224)),
    "resnet18_224": Network(module="resnet18", inputs=partial(images, side=224)),
    "vit_32": Network(module="vit", inputs=partial(images, side=32)),
    "transformer_4x256_128": Network(module="bert", options=_BERT, inputs=partial(tokens, **_BERT)),
}


def main() -> int:
    """Write the networks asked for and say what each costs; 1 where weights are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go; it is made, and files in it are replaced")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME", help="of these")
    parser.add_argument("--samples", type=int, default=200, help="in each data file (default: 200)")
    parser.add_argument("--opset", type=int, default=18, help="18 or later (default: 18)")
    options = parser.parse_args()
    quiet_exporter()
    options.folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for name in options.only:
        network = NETWORKS[name]
        if network.checkpoint and not network.checkpoint.exists():
            print(f"{name}: left out, its weights are missing: no file {network.checkpoint}", file=sys.stderr)
            missing += 1
            continue
        path = write_network(network, options.folder / f"{name}.onnx", samples=options.samples, opset=options.opset)
        cost = edgeopt.inspect(path).cost
        print(
            f"{name:22} {format_count(cost.macs):>8} MACs {format_count(cost.parameters):>8} parameters "
            f"{format_bytes(path.stat().st_size):>8}",
            flush=True,
        )
    return 1 if missing else 0


def write_network(network: Network, path: Path, *, samples: int = 200, opset: int = 18) -> Path:
    """Write the ONNX file at `path`, and the data beside it where it needs some; gives `path`."""
    architecture = module_of(network.module)
    build = partial(architecture["build"], **network.options)
    module = trained_network(network, build) if network.checkpoint else untrained_network(network, build)
    names = set(signature(architecture["example_inputs"]).parameters)
    options = {name: value for name, value in network.options.items() if name in names}
    module_of("export")["export_onnx"](module, architecture["example_inputs"](**options), path, opset=opset)
    if network.inputs:
        np.savez(path.with_suffix(".npz"), x=network.inputs(samples, generator_of(SAMPLES_SEED)).numpy())
    return path


def trained_network(network: Network, build: Callable[[], Any]) -> Any:
    """The network with the weights of its checkpoint, in evaluation mode."""
    import torch

    module = build()
    module.load_state_dict(torch.load(network.checkpoint, weights_only=True), strict=True)
    return module.eval()


def untrained_network(network: Network, build: Callable[[], Any]) -> Any:
    """The network with weights that nobody trained, in evaluation mode."""
    generator = generator_of(STATISTICS_SEED)
    batches = [(network.inputs(BATCH_SAMPLES, generator),) for _ in range(STATISTICS_BATCHES)]
    return module_of("weights")["untrained"](build, batches)


def module_of(name: str) -> dict[str, Any]:
    """What the module `name` of models/ defines."""
    return runpy.run_path(str(ROOT / "models" / f"{name}.py"))


def quiet_exporter() -> None:
    """Keep torch's exporter from warning at every export that torchvision is not installed."""
    import torch  # noqa: F401  it sets the levels of its loggers when it is imported

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def generator_of(seed: int) -> Any:
    """A generator of torch's random numbers."""
    import torch

    return torch.Generator().manual_seed(seed)


if __name__ == "__main__":
    sys.exit(main())
