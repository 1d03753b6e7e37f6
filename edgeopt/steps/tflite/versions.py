"""The version of each operator, by which a runtime knows whether its kernel is new enough.

Source: TensorFlow Lite's `tools/versioning/op_version.cc`, which says for an operator and its types the oldest version
whose kernels can run it.
"""

from __future__ import annotations

from edgeopt.steps.tflite.net import Operation

# operator -> its oldest version, where that is not 1
_OLDEST = {"BROADCAST_TO": 2}


def version_of(operation: Operation) -> int:
    """The oldest version of the operator whose kernels can run `operation`."""
    return _OLDEST.get(operation.kind, 1)
