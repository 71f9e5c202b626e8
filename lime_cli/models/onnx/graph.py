"""Read from an ONNX file's protobuf, without the onnx package, what it says of itself.

Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.files import from_json

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Operator sets whose code is the runtime's own."""


SHAPING = ("Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "ZipMap")
"""Operators that change no number."""


CODING = (*SHAPING, "LabelEncoder")
"""Operators that only spell anew what an input holds."""


ARITHMETIC = ("Add", "Div", "Mul", "Sub")

CLASS_LABELS = (b"classlabels_strings", b"classlabels_int64s", b"classlabels_ints")


POSITIONS = re.compile(r"(position_embeddings?|wpe|embed_positions)\.weight$")
"""How tables are named that hold a row for each place of a text."""


MODEL_GRAPH, MODEL_OPSET, MODEL_METADATA, MODEL_FUNCTIONS = 7, 8, 14, 25

GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15

NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR = 1, 2, 4

NODE_ATTRIBUTE, NODE_DOMAIN = 5, 7
FUNCTION_NODE, FUNCTION_DEFAULT = 7, 11
MODEL_TRAINING, TRAINING_GRAPHS = 20, (1, 2)

ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_INTS, ATTRIBUTE_STRINGS = 1, 3, 8, 9

ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)

LISTS = re.compile(
    rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x4a(?:%b)){1,1000}"
    % b"|".join(rb"\x%02x.{%d}" % (n, n) for n in range(32)),
    re.DOTALL,
)
"""Items of an attribute that is a list of floats (7), whole numbers (8) or short words (9), each a
field of its own: a forest has millions."""

TENSOR_DIMS, TENSOR_NAME, TENSOR_EXTERNAL, SPARSE_TENSORS = 1, 8, 13, (1, 2)

TENSOR_KIND, TENSOR_WHOLE, TENSOR_STRING, TENSOR_RAW = 2, (5, 7), 6, 9

TENSOR_FLOATS, FLOAT, MOST_FLOATS = 4, 1, 1 << 10

STRINGS, LISTED = 8, {6: 4, 7: 8}
"""Of TensorProto.DataType, what classes may be named by: words, and whole numbers of how many
bytes."""

PICKING = ("ArrayFeatureExtractor", "Gather")
"""Operators that pick an item of a list, their first input, as exporters do with classes."""

MOST_CLASSES = 1 << 16

WHOLE_KINDS = frozenset({2, 3, 5, 6, 7, 9})
"""Of TensorProto.DataType: whole numbers and truth values."""

MOST_DIGITS = 10
"""Bytes of a number."""

MOST_AXES = 64

LARGEST_KEY = 2**32 - 1

ENTRY_KEY, ENTRY_VALUE = 1, 2


@dataclass(frozen=True)
class Loop:
    """A loop of a graph, by the names of its values."""

    count: str
    """Empty for none."""
    begins: str
    went_on: str
    """In the body: whether the round before said to go on."""
    goes_on: str
    """In the body: whether this round says so."""
    outer: Loop | None


MOST_ROUNDS = 10**8
"""Rounds of loops in loops that a model may ask for."""

MOST_STEPS = 1000
"""Through operators that change nothing, until a value is taken for a new one."""


@dataclass
class Graph:
    """What the walk found."""

    metadata: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    """Labels of the last classifier operator."""
    domains: set[str] = field(default_factory=set)
    makers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For the name of every value: the operator that makes it, and that operator's first input."""
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For the name of every value: all inputs of the operator that makes it."""
    branches: bool = False
    """Whether it holds graphs or functions of its own, whose values are those of others too."""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What an operator that numbers words makes of 0, 1, ... (or 1, 2, ...), by its output."""
    external: list[str] = field(default_factory=list)
    """Files that weights are read from, relative to the model's folder."""
    tables: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Sizes of the matrices among the weights, by their names."""
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of words or whole numbers among the weights, by their names."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Values of constants that are one whole number or truth value."""
    sums: list[tuple[str, str, str]] = field(default_factory=list)
    """Operators of arithmetic with their two inputs, in the graph's order."""
    floats: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The smallest and the largest number of weights that may scale an image, by their names."""
    loops: list[Loop] = field(default_factory=list)
    """From the outside in."""

    @property
    def n_rounds(self) -> float:
        """Return how often the innermost part of the loops runs that only a count can end."""
        return max((self._rounds(one) for one in self.loops), default=0)

    def _rounds(self, loop: Loop | None) -> float:
        if loop is None:
            return 1
        outside = self._rounds(loop.outer)
        source = loop.goes_on
        for _ in range(MOST_STEPS):
            operator, first = self.makers.get(source, ("", ""))
            if operator not in SHAPING:
                break
            source = first
        ends = source != loop.went_on and self.numbers.get(source) != 1
        if ends or self.numbers.get(loop.begins, 1) != 1:
            return outside
        count = self.numbers.get(loop.count) if loop.count else math.inf
        return outside * max(1, 1 if count is None else count)

    def scales_bytes(self, image: str) -> bool:
        """Tell whether the first thing that becomes of an image is what pixels of 0 to 255 need:
        that they are made smaller, or that their mean is subtracted.
        """
        same = {image}
        for made, (operator, first) in self.makers.items():
            if operator in (*SHAPING, "Transpose") and first in same:
                same.add(made)
        for operator, first, second in self.sums:
            known = second if first in same else first
            if not {first, second} & same or known not in self.floats:
                continue
            low, high = self.floats[known]
            if operator in ("Div", "Mul"):
                small, large = (1 / 300, 1 / 100) if operator == "Mul" else (100, 300)
                return small <= low and high <= large and (operator == "Mul" or first in same)
            return (high if operator == "Sub" else -low) > 20 and (
                operator == "Add" or first in same
            )
        return False

    def ends_in(self, output: str) -> str:
        """Return the operator that makes an output's numbers, changes of shape and type aside."""
        return self._maker(output)[0]

    def _maker(self, output: str) -> tuple[str, str]:
        """Return that operator, and its first input."""
        return self.makers.get(self._made(output), ("", ""))

    def _made(self, output: str) -> str:
        """Return the value that operator makes, whose shape and type alone are changed then."""
        for _ in self.makers:
            operator, source = self.makers.get(output, ("", ""))
            if operator not in SHAPING:
                break
            output = source
        return output

    def idle(self, inputs: Iterable[str], outputs: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the inputs that no prediction depends on, such as the column of labels in a graph
        of ML.NET, and the outputs that hand one of them on.
        """
        names, used = set(inputs), set[str]()
        handed_on: dict[str, set[str]] = {}
        for output in () if self.branches else outputs:
            reached, operators = self._behind(output)
            behind = reached & names
            if len(behind) == 1 and operators <= set(CODING):
                handed_on[output] = behind
            else:
                used |= behind
        left = names - used if used else set()
        return left, {output for output, one in handed_on.items() if one <= left}

    def _behind(self, output: str) -> tuple[set[str], set[str]]:
        """Return the values that an output is made of, and the operators that make it."""
        seen, operators, left = {output}, set(), [output]
        while left:
            made = left.pop()
            operators |= {self.makers[made][0]} if made in self.makers else set()
            new = set(self.sources.get(made, ())) - seen
            seen |= new
            left += new
        return seen, operators

    def spelled(self, output: str) -> tuple[str, ...] | None:
        """Return the words that an output names a class by; None for an output of another kind."""
        return self.words.get(self._made(output))

    def quantum(self, output: str) -> tuple[float, int] | None:
        """Return the step and the zero of an output of small whole numbers, which stand for others
        (QuantizeLinear); None for an output of another kind.
        """
        made = self._made(output)
        if self.makers.get(made, ("", ""))[0] != "QuantizeLinear":
            return None
        _, step, zero = [*self.sources[made], ""][:3]
        low, high = self.floats.get(step, (0.0, 1.0))
        known = low == high and (not zero or zero in self.numbers)
        return (low, self.numbers.get(zero, 0)) if known else None

    def picked(self, output: str) -> tuple[str, ...] | None:
        """Return the classes of which an output names one; None where it picks none."""
        operator, source = self._maker(output)
        return self.lists.get(source) if operator in PICKING else None

    @property
    def width(self) -> int:
        """Return about how many numbers the graph keeps for each place of a sequence."""
        return max((min(sizes) for sizes in self.tables.values()), default=1)

    @property
    def positions(self) -> int | None:
        """Count the places that a table of positions has rows for, by its usual name."""
        rows = [n for name, (n, _) in self.tables.items() if POSITIONS.search(name)]
        return min(rows, default=None)


def read_graph(path: Path, data: bytes | None = None) -> Graph:
    """Walk the whole file, or its bytes; raise ModelError for one that is cut short or damaged."""
    found = Graph()
    try:
        _model(mapped(path) if data is None else memoryview(data), found)
    except RecursionError:
        raise UntrustedModel(f"{path.name}: nests graphs too deeply", "export it again") from None
    except (IndexError, ValueError, UnicodeDecodeError):
        size = path.stat().st_size
        raise ModelError(
            f"{path.name}: is not an ONNX model, or is cut short ({size:,} bytes)",
            "export it again",
        ) from None
    return found


def mapped(path: Path) -> memoryview:
    """Return a view of a file, nothing of it read or copied; ValueError for an empty one."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def check_graph(path: Path, graph: Graph) -> tuple[tuple[int, ...], ...]:
    """Raise UntrustedModel for strangers' operators, weights outside the folder, endless loops.

    Returns what tells the files of weights from others that take their names.
    """
    strange = sorted(graph.domains - set(DOMAINS))
    if strange:
        raise UntrustedModel(
            f"{path.name}: needs operators of {', '.join(strange)}, which limex does not load",
            "export the model with standard operators, or explain a function that runs it: "
            "py:module:function",
        )
    if graph.n_rounds > MOST_ROUNDS:
        raise UntrustedModel(
            f"{path.name}: holds a loop that never ends", "a model needs no such loop"
        )
    folder, files = path.parent.resolve(), []
    for location in sorted(set(graph.external)):
        if "\0" in location or "_ORT_MEM_ADDR_" in location:
            raise UntrustedModel(f"{path.name}: its weights are in no file ({location!r})")
        target = folder / location
        if Path(location).is_absolute() or not target.resolve().is_relative_to(folder):
            raise UntrustedModel(f"{path.name}: its weights point outside its folder ({location})")
        if not target.exists():
            raise ModelError(
                f"{path.name}: its weights are missing ({location})", "put the file beside it"
            )
        if target.is_symlink() or not target.is_file() or target.stat().st_nlink != 1:
            raise UntrustedModel(
                f"{path.name}: its weights in {location} are a link, not a plain file"
            )
        now = target.stat()
        files.append((now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns))
    return tuple(files)


def _model(data: memoryview, found: Graph) -> None:
    for number, value in fields(data):
        if number == MODEL_METADATA:
            key, text = _entry(nested(value))
            found.metadata[key] = text
        elif number == MODEL_GRAPH:
            _graph(nested(value), found)
            outputs = [
                _named(nested(v), VALUE_NAME) for n, v in fields(nested(value)) if n == GRAPH_OUTPUT
            ]
            picked = (names for one in outputs if (names := found.picked(one)) is not None)
            found.classes = found.classes or next(picked, None)
        elif number == MODEL_FUNCTIONS:
            found.branches = True
            for inner, node in fields(nested(value)):
                if inner == FUNCTION_NODE:
                    _node(nested(node), found)
                elif inner == FUNCTION_DEFAULT:
                    _attribute(nested(node), found)
        elif number == MODEL_TRAINING:
            for inner, graph in fields(nested(value)):
                if inner in TRAINING_GRAPHS:
                    _graph(nested(graph), found)


def _graph(data: memoryview, found: Graph, loop: Loop | None = None) -> None:
    for number, value in fields(data):
        if number == GRAPH_NODE:
            _node(nested(value), found, loop)
        elif number == GRAPH_INITIALIZER:
            _tensor(nested(value), found)
        elif number == GRAPH_SPARSE:
            _sparse(nested(value), found)


def _node(data: memoryview, found: Graph, loop: Loop | None = None) -> None:
    words: dict[int, list[str]] = {NODE_INPUT: [], NODE_OUTPUT: [], NODE_OPERATOR: []}
    attributes = []
    for number, value in fields(data):
        if number in words:
            words[number].append(str(nested(value), "utf-8"))
        elif number == NODE_DOMAIN:
            found.domains.add(str(nested(value), "utf-8"))
        elif number == NODE_ATTRIBUTE:
            attributes.append(nested(value))
    first = next(iter(words[NODE_INPUT]), "")
    operator = next(iter(words[NODE_OPERATOR]), "")
    found.makers.update(dict.fromkeys(words[NODE_OUTPUT], (operator, first)))
    found.sources.update(dict.fromkeys(words[NODE_OUTPUT], tuple(words[NODE_INPUT])))
    if operator == "LabelEncoder" and words[NODE_OUTPUT]:
        named = _coded(attributes)
        found.words.update({words[NODE_OUTPUT][0]: named} if named else {})
    if operator in ARITHMETIC and len(words[NODE_INPUT]) == 2:
        found.sums.append((operator, first, words[NODE_INPUT][1]))
    for one in attributes:
        if operator == "Loop":
            count, begins = [*words[NODE_INPUT], "", ""][:2]
            loop = _loop(one, count, begins, loop) or loop
            found.loops += [loop] if loop is not None else []
        made = words[NODE_OUTPUT][0] if operator == "Constant" and words[NODE_OUTPUT] else ""
        _attribute(one, found, loop, made)


def _coded(attributes: Iterable[memoryview]) -> tuple[str, ...]:
    """Return what an encoder makes of numbers that follow one another from 0 or 1, in order."""
    read = {_named(one, ATTRIBUTE_NAME): one for one in attributes}
    if not {"keys_int64s", "values_strings"} <= set(read):
        return ()
    numbers = [*map(int, _labels(fields(read["keys_int64s"])))]
    pairs = sorted(zip(numbers, _labels(fields(read["values_strings"])), strict=False))
    following = [n for n, _ in pairs] in ([*range(len(pairs))], [*range(1, len(pairs) + 1)])
    return tuple(word for _, word in pairs) if following and len(pairs) > 1 else ()


def _loop(data: memoryview, count: str, begins: str, outer: Loop | None) -> Loop | None:
    """Read what ends a loop out of the attribute that holds its body; None for another one."""
    for number, value in fields(data):
        if number == ATTRIBUTE_GRAPHS[0]:
            parts = list(fields(nested(value)))
            given = [_named(nested(part), VALUE_NAME) for n, part in parts if n == GRAPH_INPUT]
            said = [_named(nested(part), VALUE_NAME) for n, part in parts if n == GRAPH_OUTPUT]
            return Loop(count, begins, [*given, "", ""][1], [*said, ""][0], outer)
    return None


def _attribute(data: memoryview, found: Graph, loop: Loop | None = None, made: str = "") -> None:
    """Read an attribute of a node; ``made`` is the constant that it is the value of."""
    name = b""
    for number, value in fields(data, past=LISTS):
        if number == ATTRIBUTE_NAME:
            name = name or bytes(nested(value))
        elif number in ATTRIBUTE_GRAPHS:
            found.branches = True
            _graph(nested(value), found, loop)
        elif number in ATTRIBUTE_TENSORS:
            _tensor(nested(value), found, made)
        elif number in ATTRIBUTE_SPARSE:
            _sparse(nested(value), found)
        elif number == ATTRIBUTE_INT and made and isinstance(value, int):
            found.numbers[made] = value
    if name in CLASS_LABELS:
        found.classes = tuple(_labels(fields(data))) or found.classes


def _labels(parts: Iterable[tuple[int, memoryview | int]]) -> Iterator[str]:
    for number, value in parts:
        if number == ATTRIBUTE_STRINGS:
            yield str(nested(value), "utf-8")
        elif number == ATTRIBUTE_INTS:
            yield from map(str, [value] if isinstance(value, int) else _varints(value))


def _tensor(data: memoryview, found: Graph, made: str = "") -> None:
    sizes: list[int] = []
    name, kind, raw = made, 0, EMPTY
    values: list[int] = []
    words: list[str] = []
    for number, value in fields(data):
        if number == TENSOR_DIMS:
            sizes += [value] if isinstance(value, int) else _varints(value)
        elif number == TENSOR_NAME:
            name = made or str(nested(value), "utf-8")
        elif number == TENSOR_KIND and isinstance(value, int):
            kind = value
        elif number in TENSOR_WHOLE:
            values += [value] if isinstance(value, int) else islice(_varints(value), MOST_CLASSES)
        elif number == TENSOR_STRING and len(words) < MOST_CLASSES:
            words.append(str(nested(value), "utf-8", "replace"))
        elif number == TENSOR_RAW or (number == TENSOR_FLOATS and not isinstance(value, int)):
            raw = nested(value)
        elif number == TENSOR_EXTERNAL:
            key, text = _entry(nested(value))
            if key == "location":
                found.external.append(text)
    if len(sizes) > MOST_AXES:
        raise ValueError("a tensor of too many axes")
    if len(sizes) == 2:
        found.tables[name] = (sizes[0], sizes[1])
    if kind == FLOAT and len(raw) >= 4 and (math.prod(sizes) <= 4 or sizes[0] == 1):
        known = memoryview(bytes(raw[: 4 * min(len(raw) // 4, MOST_FLOATS)])).cast("f")
        found.floats[name] = min(known), max(known)
    if math.prod(sizes) == 1 and kind in WHOLE_KINDS and (values or raw):
        small = bytes(raw[:MOST_DIGITS])
        found.numbers[name] = values[0] if values else int.from_bytes(small, "little", signed=True)
    n = math.prod(sizes)
    if n > 1 and max(sizes) == n <= MOST_CLASSES and kind in (STRINGS, *LISTED):
        size = LISTED.get(kind, 1)
        numbers = values or [
            int.from_bytes(raw[i : i + size], "little", signed=True)
            for i in range(0, len(raw), size)
        ]
        listed = tuple(words if kind == STRINGS else map(str, numbers))
        if len(listed) == n:
            found.lists[name] = listed


def _sparse(data: memoryview, found: Graph) -> None:
    for number, value in fields(data):
        if number in SPARSE_TENSORS:
            _tensor(nested(value), found)


def _entry(data: memoryview) -> tuple[str, str]:
    pairs = {number: str(nested(value), "utf-8") for number, value in fields(data)}
    return pairs.get(ENTRY_KEY, ""), pairs.get(ENTRY_VALUE, "")


def nested(value: memoryview | int) -> memoryview:
    """Return a value that must be a message; raise ValueError for a number."""
    if isinstance(value, int):
        raise ValueError("a number instead of a message")
    return value


def fields(
    data: memoryview, past: re.Pattern[bytes] | None = None
) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, value) of one message; a varint as an int, all else as bytes.

    What matches ``past`` is left out, at the speed of bytes.
    """
    place = 0
    while place < len(data):
        if past is not None and (left_out := past.match(data, place)):
            place = left_out.end()
            continue
        key, place = _varint(data, place)
        if not 0 < key <= LARGEST_KEY:  # of which the runtime would take the last bits alone
            raise ValueError("a field without a number")
        kind = key & 7
        if kind == 0:
            number, place = _varint(data, place)
            yield key >> 3, number
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if not 0 <= length <= len(data) - place:
            raise ValueError("cut short")
        yield key >> 3, data[place : place + length]
        place += length


def _varints(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        number, place = _varint(data, place)
        yield number


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number - 2**64 if number >= 2**63 else number), place
        shift += 7
        if shift > 63:
            raise ValueError("a varint without end")


MODEL_IR, MODEL_PRODUCER, MODEL_PRODUCER_VERSION = 1, 2, 3

OPSET_DOMAIN, OPSET_VERSION = 1, 2

GRAPH_INPUT, GRAPH_OUTPUT = 11, 12

VALUE_NAME, VALUE_TYPE = 1, 2

TYPE_TENSOR, TYPE_SEQUENCE, TYPE_MAP, TYPE_OPTIONAL = 1, 4, 5, 9

TENSOR_ELEMENT, TENSOR_SHAPE, SHAPE_SIZE = 1, 2, 1

SIZE_NUMBER, SIZE_NAME = 1, 2

MAP_KEY, MAP_VALUE, INNER_TYPE = 1, 2, 1


ELEMENTS = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
"""Of TensorProto.DataType."""


EMPTY = memoryview(b"")


Size = int | str | None


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph."""

    name: str
    kind: str
    """``float``, ``string``, ``sequence of map of int64 to float``, ..."""
    shape: tuple[Size, ...] | None
    """A number, the name of a free size, or None for an unnamed one; None without a shape."""


@dataclass(frozen=True)
class Signature:
    """The outside of an ONNX model."""

    ir_version: int
    producer: str
    opsets: tuple[tuple[str, int], ...]
    """(domain, version), the standard domain as ``ai.onnx``."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: tuple[str, ...]
    """The different operators of the main graph, in alphabetical order."""
    domains: tuple[str, ...]
    classes: tuple[str, ...] | None
    metadata: tuple[tuple[str, str], ...]


def read_signature(path: Path) -> Signature:
    """Read a file; raise ModelError for one that is cut short or damaged."""
    graph = read_graph(path)
    try:
        return _read(memoryview(path.read_bytes()), graph)
    except (IndexError, ValueError, RecursionError):
        raise ModelError(f"{path.name}: is a damaged ONNX model", "export it again") from None


def _read(data: memoryview, graph: Graph) -> Signature:
    plain: dict[int, int] = {}
    words: dict[int, str] = {}
    opsets: list[tuple[str, int]] = []
    parts: list[tuple[int, memoryview | int]] = []
    for number, value in fields(data):
        if number == MODEL_OPSET:
            opsets.append(_opset(nested(value)))
        elif number == MODEL_GRAPH:
            parts = list(fields(nested(value)))
        elif isinstance(value, int):
            plain[number] = value
        elif number in (MODEL_PRODUCER, MODEL_PRODUCER_VERSION):
            words[number] = str(value, "utf-8", "replace")
    names = [words.get(one, "") for one in (MODEL_PRODUCER, MODEL_PRODUCER_VERSION)]
    return _signature(graph, plain.get(MODEL_IR, 0), " ".join(filter(None, names)), opsets, parts)


def _signature(
    graph: Graph,
    ir_version: int,
    producer: str,
    opsets: list[tuple[str, int]],
    parts: list[tuple[int, memoryview | int]],
) -> Signature:
    weights = {_named(nested(v), TENSOR_NAME) for n, v in parts if n == GRAPH_INITIALIZER}
    inputs = (_port(nested(value)) for number, value in parts if number == GRAPH_INPUT)
    return Signature(
        ir_version=ir_version,
        producer=producer,
        opsets=tuple(sorted(opsets)),
        inputs=tuple(one for one in inputs if one.name not in weights),
        outputs=tuple(_port(nested(value)) for number, value in parts if number == GRAPH_OUTPUT),
        operators=tuple(
            sorted({_named(nested(v), NODE_OPERATOR) for n, v in parts if n == GRAPH_NODE})
        ),
        domains=tuple(sorted({one or "ai.onnx" for one in graph.domains or {""}})),
        classes=graph.classes,
        metadata=tuple(sorted(graph.metadata.items())),
    )


def _opset(data: memoryview) -> tuple[str, int]:
    found = dict(fields(data))
    domain, version = found.get(OPSET_DOMAIN, EMPTY), found.get(OPSET_VERSION, 0)
    name = str(nested(domain), "utf-8", "replace")
    return name or "ai.onnx", version if isinstance(version, int) else 0


def _named(data: memoryview, number: int) -> str:
    return str(nested(dict(fields(data)).get(number, EMPTY)), "utf-8", "replace")


def _port(data: memoryview) -> Port:
    kind, shape = _type(nested(dict(fields(data)).get(VALUE_TYPE, EMPTY)))
    return Port(_named(data, VALUE_NAME), kind, shape)


def _type(data: memoryview) -> tuple[str, tuple[Size, ...] | None]:
    for number, value in fields(data):
        inner = dict(fields(nested(value))) if not isinstance(value, int) else {}
        if number == TYPE_TENSOR:
            shape = inner.get(TENSOR_SHAPE)
            sizes = None if shape is None else tuple(_sizes(nested(shape)))
            return _element(inner.get(TENSOR_ELEMENT, 0)), sizes
        if number in (TYPE_SEQUENCE, TYPE_OPTIONAL):
            word = "sequence" if number == TYPE_SEQUENCE else "optional"
            return f"{word} of {_type(nested(inner.get(INNER_TYPE, EMPTY)))[0]}", None
        if number == TYPE_MAP:
            to = _type(nested(inner.get(MAP_VALUE, EMPTY)))[0]
            return f"map of {_element(inner.get(MAP_KEY, 0))} to {to}", None
    return "undefined", None


def _element(number: memoryview | int) -> str:
    return ELEMENTS.get(number, f"type {number}") if isinstance(number, int) else "undefined"


def _sizes(data: memoryview) -> list[Size]:
    found: list[Size] = []
    for number, value in fields(data):
        if number == SHAPE_SIZE:
            size = dict(fields(nested(value)))
            name = size.get(SIZE_NAME)
            fixed = size.get(SIZE_NUMBER)
            free = str(name, "utf-8", "replace") if isinstance(name, memoryview) else None
            found.append(fixed if isinstance(fixed, int) else free)
    return found


def names_listed(words: str | None) -> tuple[str, ...] | None:
    """Read a JSON list of names; None for anything else."""
    try:
        found = from_json(words or "null")
    except ValueError:
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None
