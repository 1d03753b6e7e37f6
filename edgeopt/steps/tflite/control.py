"""Branches and loops whose course is known before the model runs, written out.

TFLite's IF and WHILE are run by no delegate, and keep a graph from being fused. A loop of a known length is its body
again and again; a branch whose condition is known is its nodes; a branch that is chosen while the model runs becomes
both branches and a choice among their results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.subgraphs import subgraphs
from edgeopt.steps.tflite.bodies import fixed_shapes, given_names, with_names

if TYPE_CHECKING:
    import onnx

MOST_NODES = 8192  # that a loop may become: at some 10 microseconds each, a run then takes 0.1 s in the dispatch alone
_BATCHED_SCAN_BEFORE = 9  # Scan of opset 8 has a batch axis before that of the sequence
_AXES_ARE_INPUT_SINCE = 13  # of Unsqueeze
# May stop a run on values that the other branch would have kept from them: a division by 0, an index out of range.
_MAY_FAIL = frozenset({"Div", "Gather", "GatherElements", "GatherND", "Mod", "ScatterElements", "ScatterND"})


def with_branches_taken(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with If, Loop and Scan written out where their course is known. It stays as it is.

    Args:
        model: A model with its data in memory and types of its values.
    """
    import onnx

    if not any(node.op_type in _WRITTEN and not node.domain for node in model.graph.node):
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = _Writer(result)
    nodes = [new for node in model.graph.node for new in writer.written(node)]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(writer.constants.values())
    return result


class _Writer:
    """Nodes for those that hold graphs.

    Attributes:
        constants: Tensors that the new nodes read, by name.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants: dict[str, onnx.TensorProto] = {}
        self._opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
        self._known = {tensor.name: tensor for tensor in model.graph.initializer}
        self._shapes = fixed_shapes(model.graph)

    def written(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Nodes that do what `node` does; itself where its course is not known."""
        if node.domain or node.op_type not in _WRITTEN:
            return [node]
        made = list(_WRITTEN[node.op_type](self, node))
        return made or [node]

    def branch(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """An If: the branch that is taken, or both and a choice."""
        branches = {attribute.name: attribute.g for attribute in node.attribute}
        condition = self._value(node.input[0])
        if condition is not None:
            taken = branches["then_branch" if condition.reshape(-1)[0] else "else_branch"]
            yield from self._body(taken, _prefix(node), {}, list(node.output))
            return
        if not all(name in self._shapes for name in node.output) or _may_fail(branches.values()):
            return
        sides = []
        for name, graph in branches.items():
            outputs = [f"{each}/{name}" for each in node.output]
            yield from self._body(graph, f"{_prefix(node)}{name}/", {}, outputs)
            sides.append((name, outputs))
        chosen = dict(sides)
        for place, output in enumerate(node.output):
            pair = [chosen["then_branch"][place], chosen["else_branch"][place]]
            yield self._node("Where", [node.input[0], *pair], [output], node)

    def loop(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """A Loop whose number of rounds is constant and that nothing ends before."""
        body = node.attribute[0].g
        count = self._value(node.input[0]) if node.input[0] else None
        start = self._value(node.input[1]) if len(node.input) > 1 and node.input[1] else np.array(True)
        if start is not None and not start.reshape(-1)[0]:
            count = np.array(0)
        if count is None or start is None or not self._goes_on(body):
            return
        rounds, carried = int(count.reshape(-1)[0]), list(node.input[2:])
        if rounds * len(body.node) > MOST_NODES or (rounds < 1 and len(node.output) > len(carried)):
            return
        going = self._constant(f"{_prefix(node)}condition", np.array(True))
        kept, parts = len(carried), [list[str]() for _ in node.output[len(carried) :]]
        for step in range(rounds):
            given = [self._constant(f"{_prefix(node)}round/{step}", np.array(step, np.int64)), going, *carried]
            results = [f"{_prefix(node)}{step}/{place}" for place in range(len(body.output))]
            yield from self._body(body, f"{_prefix(node)}{step}/", given_names(body, given), results)
            carried = results[1 : 1 + kept]
            for part, name in zip(parts, results[1 + kept :], strict=True):
                part.append(name)
        for name, output in zip(carried, node.output[:kept], strict=True):
            yield from self._handed_on(name, output, node)
        for names, output in zip(parts, node.output[kept:], strict=True):
            yield from self._stacked(names, output, 0, node)

    def scan(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """A Scan, whose length is that of its inputs."""
        attributes = {each.name: each for each in node.attribute}
        body, scanned = attributes["body"].g, int(attributes["num_scan_inputs"].i)
        if self._opset < _BATCHED_SCAN_BEFORE:
            yield from self._batched_scan(node, body, scanned)
            return
        carried, inputs = list(node.input[:-scanned]), list(node.input[-scanned:])
        axes = list(attributes["scan_input_axes"].ints) if "scan_input_axes" in attributes else [0] * scanned
        turned = _numbers(attributes, "scan_input_directions", scanned)
        stacks = len(body.output) - len(carried)
        course = _Course(
            carried=carried,
            inputs=inputs,
            axes=axes,
            is_input_turned=turned,
            output_axes=_numbers(attributes, "scan_output_axes", stacks),
            is_output_turned=_numbers(attributes, "scan_output_directions", stacks),
        )
        yield from self._scanned(node, body, course, _prefix(node), list(node.output))

    def _batched_scan(self, node: onnx.NodeProto, body: onnx.GraphProto, scanned: int) -> Iterator[onnx.NodeProto]:
        """A Scan of opset 8, which does the same for each index of a first axis."""
        names = list(node.input[1:])
        shape = self._shapes.get(names[-1])
        if node.input[0] or shape is None or shape[0] * shape[1] * len(body.node) > MOST_NODES:
            return
        results: list[list[str]] = [[] for _ in node.output]
        for index in range(shape[0]):
            prefix = f"{_prefix(node)}batch/{index}/"
            parts = [f"{prefix}{place}" for place in range(len(names))]
            place = self._constant(f"{_prefix(node)}index/{index}", np.array(index, np.int64))
            for name, part in zip(names, parts, strict=True):
                yield self._node("Gather", [name, place], [part], node, axis=0)
                if name in self._shapes:
                    self._shapes[part] = self._shapes[name][1:]
            stacks = len(body.output) - (len(names) - scanned)
            course = _Course(
                carried=parts[:-scanned],
                inputs=parts[-scanned:],
                axes=[0] * scanned,
                is_input_turned=[0] * scanned,
                output_axes=[0] * stacks,
                is_output_turned=[0] * stacks,
            )
            outputs = [f"{prefix}output/{each}" for each in range(len(node.output))]
            yield from self._scanned(node, body, course, prefix, outputs)
            for found, name in zip(results, outputs, strict=True):
                found.append(name)
        for found, output in zip(results, node.output, strict=True):
            yield from self._stacked(found, output, 0, node)

    def _scanned(
        self, node: onnx.NodeProto, body: onnx.GraphProto, course: _Course, prefix: str, outputs: list[str]
    ) -> Iterator[onnx.NodeProto]:
        shape = self._shapes.get(course.inputs[0])
        if shape is None or shape[course.axes[0]] < 1:
            return
        length = shape[course.axes[0]]
        if length * len(body.node) > MOST_NODES:
            return
        carried, kept = course.carried, len(course.carried)
        parts: list[list[str]] = [[] for _ in outputs[kept:]]
        for step in range(length):
            given = list(carried)
            for name, axis, is_turned in zip(course.inputs, course.axes, course.is_input_turned, strict=True):
                index = length - 1 - step if is_turned else step
                place = self._constant(f"{_prefix(node)}step/{index}", np.array(index, np.int64))
                given.append(f"{prefix}{step}/{name}")
                yield self._node("Gather", [name, place], [given[-1]], node, axis=axis)
            results = [f"{prefix}{step}/{position}" for position in range(len(body.output))]
            yield from self._body(body, f"{prefix}{step}/", given_names(body, given), results)
            carried = results[:kept]
            for part, name in zip(parts, results[kept:], strict=True):
                part.append(name)
        for name, output in zip(carried, outputs[:kept], strict=True):
            yield from self._handed_on(name, output, node)
        for names, output, axis, is_turned in zip(
            parts, outputs[kept:], course.output_axes, course.is_output_turned, strict=True
        ):
            yield from self._stacked(names[::-1] if is_turned else names, output, axis, node)

    # pieces

    def _body(
        self, graph: onnx.GraphProto, prefix: str, given: dict[str, str], outputs: list[str]
    ) -> Iterator[onnx.NodeProto]:
        """The nodes of a graph under names of their own, its inputs named by `given`, its results `outputs`."""
        names = dict(given)
        for tensor in graph.initializer:
            names[tensor.name] = self._renamed(tensor, f"{prefix}{tensor.name}")
        made = {name for node in graph.node for name in node.output if name}
        names |= {name: f"{prefix}{name}" for name in made}
        direct: list[tuple[str, str]] = []
        for value, output in zip(graph.output, outputs, strict=True):
            if value.name in made and names[value.name] not in outputs:
                names[value.name] = output
            else:
                direct.append((names.get(value.name, value.name), output))
        yield from (with_names(node, names, prefix) for node in graph.node)
        for name, output in direct:
            yield self._node("Identity", [name], [output], None)

    def _stacked(self, names: list[str], output: str, axis: int, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """Values as the parts of one along a new axis."""
        if not output:
            return
        spread = [f"{name}/part" for name in names]
        for name, part in zip(names, spread, strict=True):
            if self._opset >= _AXES_ARE_INPUT_SINCE:
                axes = self._constant(f"{_prefix(node)}axes/{axis}", np.array([axis], np.int64))
                yield self._node("Unsqueeze", [name, axes], [part], node)
            else:
                yield self._node("Unsqueeze", [name], [part], node, axes=[axis])
        yield self._node("Concat", spread, [output], node, axis=axis)

    def _handed_on(self, name: str, output: str, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        if output:
            yield self._node("Identity", [name], [output], node)

    def _node(
        self, kind: str, inputs: list[str], outputs: list[str], of: onnx.NodeProto | None, **attributes: Any
    ) -> onnx.NodeProto:
        import onnx

        name = f"{of.name or of.op_type}/{kind}" if of is not None else ""
        return onnx.helper.make_node(kind, inputs, outputs, name=name, **attributes)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        import onnx

        self.constants.setdefault(name, onnx.numpy_helper.from_array(value, name))
        return name

    def _renamed(self, tensor: onnx.TensorProto, name: str) -> str:
        import onnx

        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = name
        self.constants.setdefault(name, copy)
        return name

    def _value(self, name: str) -> NDArray[Any] | None:
        import onnx

        tensor = self._known.get(name)
        return None if tensor is None else onnx.numpy_helper.to_array(tensor)

    def _goes_on(self, body: onnx.GraphProto) -> bool:
        """Whether the condition that a body gives is always true: handed on, or constant."""
        import onnx

        makers = {output: node for node in body.node for output in node.output}
        constants = {tensor.name: tensor for tensor in body.initializer} | self._known
        name = body.output[0].name
        while name in makers and makers[name].op_type in ("Identity", "Cast"):
            name = makers[name].input[0]
        if name in makers and makers[name].op_type == "Constant":
            return bool(np.all(onnx.numpy_helper.to_array(makers[name].attribute[0].t)))
        if name in constants:
            return bool(np.all(onnx.numpy_helper.to_array(constants[name])))
        return bool(name == body.input[1].name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """How a Scan goes: what it carries from step to step, what it walks along, and where its parts are put."""

    carried: list[str]
    inputs: list[str]
    axes: list[int]
    is_input_turned: list[int]
    output_axes: list[int]
    is_output_turned: list[int]


_WRITTEN = {"If": _Writer.branch, "Loop": _Writer.loop, "Scan": _Writer.scan}


def _prefix(node: onnx.NodeProto) -> str:
    return f"{node.name or next(name for name in node.output if name)}/"


def _numbers(attributes: dict[str, onnx.AttributeProto], name: str, count: int) -> list[int]:
    return list(attributes[name].ints) if name in attributes else [0] * count


def _may_fail(graphs: Any) -> bool:
    """Whether graphs hold operators that may stop a run, or further graphs."""
    return any(node.op_type in _MAY_FAIL or any(subgraphs(node)) for graph in graphs for node in graph.node)
