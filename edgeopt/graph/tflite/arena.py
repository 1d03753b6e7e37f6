"""TFLite Micro's arena for a model: the one block of memory that its interpreter lives in.

The head holds activations and scratch buffers, packed by their lifetimes; the tail what lasts: structures of tensors,
operators and kernels. While the interpreter plans, tables of all tensors lie where the head will be. Where activations
are small, the tables are larger, and an arena of the size that it prints is too small for it to start in
(https://github.com/tensorflow/tflite-micro/issues/2738); `needed_bytes` is enough.

Sources: micro_allocator.cc, micro_allocation_info.cc, micro_interpreter.cc and memory_planner/greedy_memory_planner.cc
of https://github.com/tensorflow/tflite-micro. The tests compare with what its interpreter records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgeopt.graph.tflite.costs import label_of
from edgeopt.graph.tflite.kernels import ASSUMED, KERNELS, Scratch, kept_arrays, scratch_buffers
from edgeopt.graph.tflite.model import Graph, Operator, Tensor, TfliteModel
from edgeopt.graph.tflite.packing import ALIGNMENT, Buffer, aligned, live_bytes, packed_bytes, packed_offsets

WORD_BYTES = 4  # of a microcontroller
_MOST_SCRATCH_BUFFERS = 12  # room that is kept for those of one kernel while it prepares
_PLANNER_BYTES = 40  # per buffer, of its tables
_CONTROL = frozenset({"IF", "WHILE", "CALL_ONCE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The operator that most memory is in use for.

    Attributes:
        operator: Of the schema, as in `CONV_2D`.
        name: Of its first output.
        live_bytes: In use while it runs: what it reads and writes, its scratch, and what is kept for later.
        buffers: (name, bytes) of each, the largest first.
    """

    operator: str
    name: str
    live_bytes: int
    buffers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """TFLite Micro's memory for a model.

    Attributes:
        head_bytes: Activations and scratch buffers.
        tail_bytes: What lasts.
        planning_bytes: What the interpreter takes at once, at the most, while it prepares kernels and plans: most of
            the tail, and what is gone afterwards.
        buffers: What lies in the head.
        offsets: Bytes from its start, of each buffer.
        peak: The operator that most memory is in use for; None where nothing is computed.
        assumed: Operators whose memory beside their tensors is not known and taken to be small.
    """

    head_bytes: int
    tail_bytes: int
    planning_bytes: int
    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    peak: Peak | None
    assumed: tuple[str, ...] = ()

    @property
    def used_bytes(self) -> int:
        """What the interpreter uses once it has started, as `arena_used_bytes()` tells it."""
        return self.head_bytes + self.tail_bytes

    @property
    def needed_bytes(self) -> int:
        """An arena that it starts in, of a length that keeps both ends aligned."""
        return aligned(max(self.used_bytes, self.planning_bytes), ALIGNMENT)


def plan_arena(
    model: TfliteModel,
    *,
    word_bytes: int = WORD_BYTES,
    is_recorded: bool = False,
    scratch: Scratch = scratch_buffers,
) -> Arena:
    """The arena of a model, at the lengths that its file holds.

    A model with branches or loops is planned as if the largest of its further graphs ran above its main one, which is
    never too little.

    Args:
        model: The model; operators that TFLite Micro lacks count with their tensors alone.
        word_bytes: Length of a pointer: 4 on microcontrollers, 8 on the machine that the interpreter is checked on.
        is_recorded: Whether the counters of RecordingMicroAllocator lie in the arena too, as they do where
            `print_allocations()` is asked; firmware goes without.
        scratch: Rule of scratch buffers; that of the reference kernels by default.
    """
    main, *others = model.graphs
    buffers = list(_buffers(main, scratch))
    offsets = packed_offsets(buffers)
    head = packed_bytes(buffers, offsets)
    further = [_head_bytes(graph, scratch) for graph in others]
    if any(one.name in _CONTROL for one in main.operators):
        head += max(further, default=0)
    handles = sum(len(scratch(graph, one)) for graph in model.graphs for one in graph.operators)
    tensors = sum(len(graph.tensors) for graph in model.graphs)
    kinds = {one.name for graph in model.graphs for one in graph.operators}
    tail = _tail(model, handles, word_bytes, is_recorded)
    requests = (handles + _MOST_SCRATCH_BUFFERS) * (word_bytes + 8)
    tables = _table_bytes(requests, tensors + handles, len(buffers), len(model.graphs), word_bytes)
    planning = tail.used_bytes + max(tables, requests + _passing_bytes(model, word_bytes))
    _take_interface(tail, main, word_bytes)
    return Arena(
        head_bytes=head,
        tail_bytes=tail.used_bytes,
        planning_bytes=planning,
        buffers=tuple(buffers),
        offsets=tuple(offsets),
        peak=_peak(main, buffers),
        assumed=tuple(sorted(kinds - KERNELS.keys())),
    )


def as_int8(model: TfliteModel) -> TfliteModel:
    """The model with a byte in place of each float, constants and all: what it would take if it were quantized."""
    return replace(model, graphs=tuple(replace(one, tensors=tuple(map(_byte, one.tensors))) for one in model.graphs))


def _byte(tensor: Tensor) -> Tensor:
    if "float" not in tensor.dtype:
        return tensor
    start, size = tensor.data
    return replace(tensor, dtype="int8", bits=8, data=(start, size * 8 // tensor.bits), scales=(1.0,), zero_points=(0,))


def _head_bytes(graph: Graph, scratch: Scratch) -> int:
    buffers = list(_buffers(graph, scratch))
    return packed_bytes(buffers, packed_offsets(buffers))


def _buffers(graph: Graph, scratch: Scratch) -> Iterator[Buffer]:
    """Tensors that are computed, then scratch buffers; step 0 is before the first operator."""
    lives = _lives(graph)
    for place, tensor in enumerate(graph.tensors):
        if tensor.is_constant or tensor.is_variable or not tensor.size_bytes or place not in lives:
            continue
        first, last = lives[place]
        yield Buffer(size_bytes=tensor.size_bytes, first=first, last=last, name=tensor.name)
    for step, operator in enumerate(graph.operators, start=1):
        for size in scratch(graph, operator):
            yield Buffer(size_bytes=size, first=step, last=step, name=f"scratch of {label_of(graph, operator)}")


def _lives(graph: Graph) -> dict[int, tuple[int, int]]:
    """(first, last) step of each tensor that is used; what the graph gives lives to its end."""
    lives = dict.fromkeys((*graph.inputs, *graph.outputs), (0, 0))
    for step, operator in enumerate(graph.operators, start=1):
        for place in operator.outputs:
            if place >= 0:
                lives[place] = (step, step)
        for place in operator.inputs:
            if place >= 0:
                lives[place] = (lives.get(place, (0, 0))[0], step)
    end = len(graph.operators)
    return lives | {place: (lives[place][0], end) for place in graph.outputs}


def _peak(graph: Graph, buffers: list[Buffer]) -> Peak | None:
    live = live_bytes(buffers)
    at_operators = {step: size for step, size in live.items() if step > 0}
    if not at_operators:
        return None
    step = max(at_operators, key=lambda one: at_operators[one])
    operator = graph.operators[step - 1]
    used = [(one.name, one.aligned_bytes) for one in buffers if one.first <= step <= one.last]
    return Peak(
        operator=operator.name,
        name=label_of(graph, operator),
        live_bytes=live[step],
        buffers=tuple(sorted(used, key=lambda one: -one[1])),
    )


class _Tail:
    """Memory that is given away from the end of the arena down, and never taken back."""

    def __init__(self, word_bytes: int) -> None:
        self.used_bytes, self._word_bytes = 0, word_bytes

    def structure(self, words: int, rest: int = 0, *, count: int = 1) -> None:
        """`count` structures side by side, of pointers and of `rest` bytes each."""
        word = self._word_bytes
        self._take(count * aligned(words * word + rest, word), word)

    def numbers(self, size_bytes: int) -> None:
        """A structure of numbers of 32 bits."""
        self._take(size_bytes, 4)

    def buffer(self, size_bytes: int) -> None:
        """What a kernel asks for."""
        if size_bytes:
            self._take(size_bytes, ALIGNMENT)

    def _take(self, size_bytes: int, alignment: int) -> None:
        self.used_bytes = aligned(self.used_bytes + size_bytes, alignment)


def _tail(model: TfliteModel, handles: int, word_bytes: int, is_recorded: bool) -> _Tail:
    """What lasts, in the order in which the interpreter asks for it, up to where it plans the head."""
    tail = _Tail(word_bytes)
    tail.structure(13 if is_recorded else 9)  # SingleArenaBufferAllocator
    tail.structure(6, 17)  # GreedyMemoryPlanner
    tail.structure(34 if is_recorded else 9)  # MicroAllocator
    tail.structure(2)  # MicroBuiltinDataAllocator
    tail.structure(3, count=len(model.graphs))  # SubgraphAllocations
    for graph in model.graphs:
        tail.structure(2, 4, count=len(graph.tensors))  # TfLiteEvalTensor
    for graph in model.graphs:
        tail.structure(7, 4, count=len(graph.operators))  # NodeAndRegistration
    _take_kernels(tail, model, word_bytes)
    tail.structure(handles)
    for graph in model.graphs:
        for tensor in graph.tensors:
            if tensor.is_variable:
                tail.buffer(tensor.size_bytes)
    return tail


def _take_kernels(tail: _Tail, model: TfliteModel, word_bytes: int) -> None:
    operators: list[tuple[Graph, Operator]] = [(graph, one) for graph in model.graphs for one in graph.operators]
    for _, operator in operators:
        tail.numbers(KERNELS.get(operator.name, ASSUMED).parameters)
    for _, operator in operators:
        kernel = KERNELS.get(operator.name, ASSUMED)
        tail.buffer(aligned(kernel.words * word_bytes + kernel.data, 4))
    for graph, operator in operators:
        for size in kept_arrays(graph, operator, word_bytes):
            tail.buffer(size)


def _take_interface(tail: _Tail, graph: Graph, word_bytes: int) -> None:
    """A list of what the model takes and one of what it gives, each with its TfLiteTensors and their scales."""
    for places in (graph.inputs, graph.outputs):
        tail.buffer(len(places) * word_bytes)
        for place in places:
            tail.structure(5, 17)  # TfLiteTensor
            scales = graph.tensors[place].scales
            if scales:
                tail.structure(2, 4)  # TfLiteAffineQuantization
                tail.numbers(4 + 4 * len(scales))  # its zero points


def _table_bytes(requests: int, infos: int, buffers: int, graphs: int, word_bytes: int) -> int:
    """Requests for scratch buffers, an AllocationInfo per tensor and request, and the planner's tables."""
    entries = graphs * word_bytes + infos * aligned(2 * word_bytes + 13, word_bytes)
    return aligned(requests + entries, ALIGNMENT) + buffers * _PLANNER_BYTES


def _passing_bytes(model: TfliteModel, word_bytes: int) -> int:
    """TfLiteTensors of all that an operator reads and makes, which are there while it prepares.

    Convolutions and reductions have them twice, and all but FULLY_CONNECTED are taken to. The operator that has most of
    them is taken to come last, when the tail is largest, so this is never too little.
    """
    one = aligned(5 * word_bytes + 17, word_bytes)

    def size(tensor: Tensor) -> int:
        if not tensor.scales:
            return one
        return one + aligned(2 * word_bytes + 4, word_bytes) + aligned(4 + 4 * len(tensor.scales), word_bytes)

    def held(graph: Graph, operator: Operator) -> int:
        places = (place for place in (*operator.inputs, *operator.outputs) if place >= 0)
        return (1 if operator.name == "FULLY_CONNECTED" else 2) * sum(size(graph.tensors[place]) for place in places)

    return max((held(graph, operator) for graph in model.graphs for operator in graph.operators), default=0)
