"""Where a figure of a quantized layer begins to be a cause: every bound with its reason, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a figure begins to be a cause.

    Attributes:
        value: The bound.
        unit: Its unit.
        why: Where it comes from.
    """

    value: float
    unit: str
    why: str


THRESHOLDS: dict[str, Threshold] = {
    "healthy": Threshold(
        30.0,
        "dB",
        "rounding a tensor of normal values to 8 bits leaves 6.02 * 8 + 4.77 - 20 log10(largest / rms) dB: 41 dB at 4 "
        "sigma, 35 dB with 7 bits or a largest value of 8 sigma. Below 30 dB more is lost than 8 bits must lose",
    ),
    "spread": Threshold(
        8.0,
        "1",
        "a channel 8 times narrower than the range that it shares keeps 3 bits less of its 8: 18 dB of its signal",
    ),
    "clipped": Threshold(
        0.001,
        "1",
        "a range that 99.99 % of the values set leaves 0.01 % outside; ten times as much is a range taken too small",
    ),
    "reach": Threshold(
        0.25,
        "1",
        "where nearly all values lie within a quarter of the range, two bits of eight serve one value in 10,000",
    ),
    "zeroed": Threshold(1.0, "channels", "a channel that has weights and becomes zero is lost altogether"),
    "shift": Threshold(
        0.6, "1", "usual layers show 0.2 to 0.5; a constant share of 0.6 of the noise is worth 4 dB when it is removed"
    ),
    "sensitive": Threshold(
        0.25, "1", "a quarter of all noise at the output from one layer: 1.2 dB for the whole model when it is float"
    ),
    "few_samples": Threshold(
        100.0, "samples", "with 100 samples the range of a new one is exceeded in 1 of 100 cases, with 10 in 1 of 10"
    ),
    "low_bits": Threshold(7.0, "bits", "each bit less costs 6 dB; processors without a VNNI instruction take 7"),
    "kernels": Threshold(
        3.0,
        "dB",
        "integer kernels and the simulation differ by roundings of the last bit; half of the noise more comes from "
        "elsewhere, such as sums that saturate at 16 bits",
    ),
    "made_from": Threshold(
        20.0,
        "dB",
        "with every quantizer off both models should agree to float32; a tenth of the signal is another model",
    ),
    "scaled": Threshold(
        40.0,
        "dB",
        "a factor per channel found from 8-bit weights is off by 0.1 to 1 %, which is 40 to 60 dB",
    ),
    "agrees": Threshold(
        60.0, "dB", "what besides quantization differs should be small beside the noise of 8 bits, which is 30 to 50 dB"
    ),
}
HEALTHY_DB = THRESHOLDS["healthy"].value
