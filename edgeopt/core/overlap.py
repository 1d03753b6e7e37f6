"""Samples that lie in two parts of a data set, found by their content: what was calibrated on would be judged on."""

from __future__ import annotations

import hashlib

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError

_DIGEST_BYTES = 16  # a chance of 1e-20 that any two of a billion samples collide
_BLOCK_SAMPLES = 64  # read at once


def sample_digests(dataset: Dataset) -> list[bytes]:
    """(sample,) a BLAKE2 digest of the bytes of all inputs of each sample."""
    digests = []
    for feeds in dataset.batches(_BLOCK_SAMPLES):
        arrays = [feeds[name] for name in sorted(feeds)]
        digests += [
            hashlib.blake2b(b"\0".join(array[row].tobytes() for array in arrays), digest_size=_DIGEST_BYTES).digest()
            for row in range(len(arrays[0]))
        ]
    return digests


def require_disjoint_parts(dataset: Dataset) -> None:
    """Refuse a data set that names parts of which two hold the same sample.

    Raises:
        InputError: A sample of one part is, byte for byte, one of another.
    """
    if dataset.part is None:
        return
    first: dict[bytes, int] = {}
    shared: list[tuple[int, int]] = []
    parts = dataset.part.tolist()
    for row, digest in enumerate(sample_digests(dataset)):
        other = first.setdefault(digest, row)
        if parts[other] != parts[row]:
            shared.append((other, row))
    if shared:
        one, two = shared[0]
        raise InputError(
            f"{len(shared)} sample(s) of `{dataset.source}` lie in two parts: "
            f"sample {two} (`{parts[two]}`) equals sample {one} (`{parts[one]}`)",
            hint="what calibrated must not judge: give equal samples one part, or drop them",
        )
