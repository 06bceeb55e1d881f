"""What an ONNX file holds, read from its bytes alone: no package is needed, and nothing is built or run.

Protocol buffers are fields one after another, each a number, a type and a value; a message is the value of a field. Numbers are
those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
# Greater ones, and more than 64 bits, are cut by some readers, so that they would see another field than is looked at here.
_LAST_NUMBER, _BITS = 2**29 - 1, 64
# Graphs lie in attributes of nodes of graphs; real ones two or three deep.
_DEEPEST = 16
# ModelProto
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 8, 14, 25
# GraphProto
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
# NodeProto, AttributeProto
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
# SparseTensorProto
_SPARSE_VALUES, _SPARSE_INDICES = 1, 2
# TensorProto
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
# StringStringEntryProto, OperatorSetIdProto
_KEY, _VALUE, _OPSET_DOMAIN = 1, 2, 1


class NotOnnxError(ValueError):
    """Bytes that are no ONNX file, or not all of one."""


@dataclass
class Contents:
    """What was found.

    Attributes:
        metadata: the file's own entries.
        domains: whose operators it wants; the standard's is empty.
        external: paths of other files that it keeps data in.
        functions: how many functions it brings.
        graph_sha256: checksum of the graph's bytes.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    external: list[str] = field(default_factory=list)
    functions: int = 0
    graph_sha256: str = ""


def look_through(data: bytes) -> Contents:
    """Read the outline of a file.

    Raises:
        NotOnnxError: truncated, damaged, or something else.
    """
    found, graphs = Contents(), 0
    for number, value in _fields(memoryview(data)):
        if number == _MODEL_GRAPH:
            found.graph_sha256 = hashlib.sha256(_bytes(value)).hexdigest()
            _graph(_bytes(value), found, 0)
            graphs += 1
        elif number == _MODEL_OPSETS:
            found.domains |= {_text(part) for key, part in _fields(_bytes(value)) if key == _OPSET_DOMAIN}
        elif number == _MODEL_METADATA:
            entry = {key: _text(part) for key, part in _fields(_bytes(value)) if key in (_KEY, _VALUE)}
            if entry.get(_KEY, "") in found.metadata:
                raise NotOnnxError(f"{entry.get(_KEY, '')!r} stands twice in its metadata")
            found.metadata[entry.get(_KEY, "")] = entry.get(_VALUE, "")
        elif number == _MODEL_FUNCTIONS:
            found.functions += 1
    # Protocol buffers merge messages that stand twice, and what was merged was not looked through as one.
    if graphs != 1:
        raise NotOnnxError(f"it holds {graphs} graphs")
    return found


def _graph(graph: memoryview, found: Contents, depth: int) -> None:
    if depth > _DEEPEST:
        raise NotOnnxError("its graphs are nested too deep")
    for number, value in _fields(graph):
        if number == _GRAPH_NODE:
            for key, part in _fields(_bytes(value)):
                if key == _NODE_DOMAIN:
                    found.domains.add(_text(part))
                elif key == _NODE_ATTRIBUTE:
                    _attribute(_bytes(part), found, depth)
        elif number == _GRAPH_INITIALIZER:
            _tensor(_bytes(value), found)
        elif number == _GRAPH_SPARSE:
            _sparse(_bytes(value), found)


def _attribute(attribute: memoryview, found: Contents, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _graph(_bytes(value), found, depth + 1)
        elif number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _tensor(_bytes(value), found)
        elif number in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
            _sparse(_bytes(value), found)


def _sparse(tensor: memoryview, found: Contents) -> None:
    for number, value in _fields(tensor):
        if number in (_SPARSE_VALUES, _SPARSE_INDICES):
            _tensor(_bytes(value), found)


def _tensor(tensor: memoryview, found: Contents) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL:
            entry = {key: _text(part) for key, part in _fields(_bytes(value)) if key in (_KEY, _VALUE)}
            if entry.get(_KEY) == "location":
                found.external.append(entry.get(_VALUE, ""))
        # Anything but the default, since readers cut this number to 32 bits.
        elif number == _TENSOR_LOCATION and value != 0 and not found.external:
            found.external.append("unnamed")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field: an integer, or the bytes of anything longer."""
    place, end = 0, len(data)
    while place < end:
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _LAST_NUMBER:
            raise NotOnnxError(f"it has a field of number {number}")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _LENGTH:
            length, place = _varint(data, place)
        elif kind in (_EIGHT, _FOUR):
            length = 8 if kind == _EIGHT else 4
        else:
            raise NotOnnxError(f"it has a field of type {kind}")
        if place + length > end:
            raise NotOnnxError("it ends in the middle")
        yield number, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data):
            raise NotOnnxError("it ends in the middle")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if value >> _BITS or (byte >= 0x80 and shift >= _BITS):
            raise NotOnnxError("it has a number that is too long")
        if byte < 0x80:
            return value, place


def _bytes(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise NotOnnxError("it has a number where a message should be")
    return value


def _text(value: memoryview | int) -> str:
    try:
        return str(_bytes(value), "utf-8")
    except UnicodeDecodeError as error:
        raise NotOnnxError("it has a name that is no text") from error
