"""Makes the small trained model that the demo runs, and its data, from scikit-learn's handwritten digits.

    python models/train_digits.py

needs torch 2.13, onnx and scikit-learn, and takes about a minute on two cores. It writes, beside this file:

- `digits.npz`: `x` (sample=1797, channel=1, height=32, width=32) uint8, 0 to 255; `y` (sample,) int64, the digit;
  `part` (sample,) unicode, "calibration" for the 898 images the model was trained on and "confirm" for the 899 held
  out. The split is stratified and random. The data does not say who wrote which digit, so a writer may be in both.
- `digits_resnet8.pt`: the state dict of `resnet8.build(channels=1)`.
- `digits_resnet8.onnx`: the same with batch normalization folded into the convolutions; input `image`, (batch,
  channel=1, height=32, width=32) float32 with the values of `x` as they are; output `logits`, (batch, class=10).

Seeds and the number of epochs are fixed and the last weights are kept: the held-out images choose nothing.

Source of the data: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, the 1,797 images of its test file, CC BY 4.0.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

FOLDER = Path(__file__).parent
SEED = 0
CONFIRM_SAMPLES = 899
EPOCHS = 60
BATCH_SAMPLES = 64
# Three of 32 pixels are three quarters of a pixel of the original 8x8 image.
MAX_SHIFT_PIXELS = 3


def main() -> None:
    """Writes the three files and prints the held-out accuracy."""
    images, labels, part = digits_columns()
    np.savez_compressed(FOLDER / "digits.npz", x=images, y=labels, part=part)
    model = trained_model(images[part == "calibration"], labels[part == "calibration"])
    save(model)
    share = accuracy(model, images[part == "confirm"], labels[part == "confirm"])
    print(f"accuracy on the {CONFIRM_SAMPLES} held-out images: {share:.2%}")


def digits_columns() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.str_]]:
    """The columns `x`, `y` and `part` of `digits.npz`, in scikit-learn's order of images."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    _, confirm = train_test_split(np.arange(len(labels)), test_size=CONFIRM_SAMPLES, stratify=labels, random_state=SEED)
    part = np.full(len(labels), "calibration")
    part[confirm] = "confirm"
    return images_from_digits(digits.images), labels, part


def images_from_digits(digits: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Every pixel repeated four times each way, and 0 to 16 stretched to 0 to 255.

    Args:
        digits: (sample, height=8, width=8) float64, whole numbers 0 to 16.

    Returns:
        (sample, channel=1, height=32, width=32) uint8.
    """
    values = np.rint(digits * 255 / 16).astype(np.uint8)
    return values.repeat(4, axis=1).repeat(4, axis=2)[:, np.newaxis]


def trained_model(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> nn.Module:
    """ResNet8 trained for a fixed number of epochs, in evaluation mode.

    The network sees 0 to 255 as they are. The batch normalization after its first convolution undoes their scale, so
    the weights train as they would on 0 to 1 and nothing has to be folded into them.

    Args:
        images: (sample, channel=1, height=32, width=32) uint8.
        labels: (sample,) int64.
    """
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    model: nn.Module = runpy.run_path(str(FOLDER / "resnet8.py"))["build"](channels=1)
    fit(model, torch.from_numpy(images).float(), torch.from_numpy(labels))
    return model.eval()


def fit(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Trains with momentum and a one-cycle learning rate (Smith, https://arxiv.org/abs/1708.07120).

    Args:
        model: changed in place.
        images: (sample, channel, height, width) float32.
        labels: (sample,) int64.
    """
    import torch

    steps = len(images) // BATCH_SAMPLES
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images))[: steps * BATCH_SAMPLES].view(steps, BATCH_SAMPLES):
            loss = torch.nn.functional.cross_entropy(model(shifted(images[batch])), labels[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


def shifted(images: Tensor) -> Tensor:
    """Each image (sample, channel, height, width) moved by up to three pixels each way, the border filled with 0."""
    import torch

    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (MAX_SHIFT_PIXELS,) * 4)
    corners = torch.randint(2 * MAX_SHIFT_PIXELS + 1, (len(images), 2)).tolist()
    crops = [
        image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, corners, strict=True)
    ]
    return torch.stack(crops)


def accuracy(model: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of images, 0 to 1, whose largest logit is the label's.

    Args:
        model: in evaluation mode.
        images: (sample, channel=1, height=32, width=32) uint8.
        labels: (sample,) int64.
    """
    import torch

    with torch.no_grad():
        logits = model(torch.from_numpy(images).float())
    return float(np.mean(logits.argmax(1).numpy() == labels))


def save(model: nn.Module) -> None:
    """Writes the state dict and the ONNX file of a model in evaluation mode."""
    import torch

    torch.save(model.state_dict(), FOLDER / "digits_resnet8.pt")
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 32, 32),),
        FOLDER / "digits_resnet8.onnx",
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    main()
