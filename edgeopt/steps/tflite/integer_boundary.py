"""Inputs and outputs of a net as int8: the QUANTIZE behind an input and the DEQUANTIZE before an output taken off.

Whoever feeds the model then quantizes by the scale and zero point that its inputs say, as microcontrollers do.
"""

from __future__ import annotations

from dataclasses import replace

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.net import Net, Operation, Quantization, Tensor

# Operations that move values and take int8 as they take float32.
_CARRIERS = frozenset({"RESHAPE", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE"})
_HINT = (
    "quantize the model so that its ends are integers: `edgeopt quantize MODEL --target rpi4` (for x86-64 the first "
    "convolution stays float); where an operator at an end has no int8 kernel, as recurrent ones, leave it "
    "`--io float32`"
)


def integer_boundary(net: Net) -> None:
    """Make, in place, every float32 input and output of `net` int8; what is not float32 stays as it is.

    Raises:
        Unsupported: An input is read, or an output made, as floats; all of them are told.
    """
    reasons = [
        *(reason for name in list(net.inputs) if (reason := _integer_input(net, name))),
        *(reason for name in list(net.outputs) if (reason := _integer_output(net, name))),
    ]
    if reasons:
        raise Unsupported(f"not every input and output can be int8: {'; '.join(reasons)}", hint=_HINT)
    net.drop_dead()
    net.name_boundary()


def _integer_input(net: Net, name: str) -> str:
    """Make one input int8; why that cannot be, or nothing."""
    tensor = net.inputs[name]
    if tensor.dtype != "float32":
        return "" if tensor.dtype != "float16" else f"input `{name}` is float16, and no operation quantizes that"
    found: set[Quantization] = set()
    reason = _quantizations(net, tensor, found)
    if not reason and len(found) != 1:
        reason = "nothing reads it" if not found else "it is quantized with several scales"
    if reason:
        return f"input `{name}`: {reason}"
    _carry_integers(net, tensor, replace(tensor, dtype="int8", quantization=found.pop()))
    return ""


def _quantizations(net: Net, tensor: Tensor, found: set[Quantization]) -> str:
    """Gather in `found` what `tensor` is quantized with, behind carriers too; why it is read as floats, or nothing."""
    if tensor in net.outputs.values():
        return "it is an output as well"
    for operation in net.readers().get(tensor, []):
        made = operation.outputs[0]
        if operation.kind == "QUANTIZE" and made.dtype == "int8" and made.quantization is not None:
            found.add(made.quantization)
        elif operation.kind in _CARRIERS:
            if reason := _quantizations(net, made, found):
                return reason
        else:
            return f"node `{operation.node}` ({operation.kind}) reads it as floats"
    return ""


def _carry_integers(net: Net, tensor: Tensor, integers: Tensor) -> None:
    """Let what reads the floats `tensor` read `integers`; a QUANTIZE of it is nothing then."""
    for operation in net.readers().get(tensor, []):
        made = operation.outputs[0]
        if operation.kind == "QUANTIZE":
            net.operations.remove(operation)
            net.substitute(made, integers)
        else:
            carried = replace(made, dtype="int8", quantization=integers.quantization)
            _carry_integers(net, made, carried)
            net.substitute(made, carried)
    net.substitute(tensor, integers)


def _integer_output(net: Net, name: str) -> str:
    """Make one output int8; why that cannot be, or nothing."""
    tensor = net.outputs[name]
    if tensor.dtype != "float32":
        return "" if tensor.dtype != "float16" else f"output `{name}` is float16, and no operation quantizes that"
    makers = net.maker()
    chain: list[Operation] = []
    maker = makers.get(tensor)
    while maker is not None and maker.kind in _CARRIERS:
        chain.append(maker)
        maker = makers.get(_first(maker))
    if maker is None or maker.kind != "DEQUANTIZE" or _first(maker).dtype != "int8":
        told = f"node `{maker.node}` ({maker.kind}) makes floats" if maker is not None else "it is an input or constant"
        return f"output `{name}`: {told}"
    integers = _first(maker)
    if not chain and (integers in net.inputs.values() or integers in net.outputs.values() or integers.data is not None):
        return f"output `{name}`: it is an input, a constant or another output as it is"
    start = net.operations.index(maker) + 1
    net.substitute(tensor, replace(tensor, name=f"{tensor.name}/float32"))  # for who else reads the floats
    for place, operation in enumerate(reversed(chain), start):
        made = replace(operation.outputs[0], dtype="int8", quantization=integers.quantization)
        carrying = replace(operation, inputs=(integers, *operation.inputs[1:]), outputs=(made,))
        net.operations.insert(place, carrying)
        integers = made
    result = replace(integers, name=tensor.name)
    net.substitute(integers, result)
    net.outputs[name] = result
    return ""


def _first(operation: Operation) -> Tensor:
    tensor = operation.inputs[0]
    assert tensor is not None
    return tensor
