"""Nested Python objects as JSON plus arrays, and back. No object is built by name, no code is run.

JSON's null, true, false, strings, lists, finite floats and ints of 64 bits stand for themselves. Everything else is an
object with one tag:

    {"dict": {key: value}}       a dict whose keys are strings
    {"items": [[key, value]]}    a dict with other keys: strings and ints
    {"tuple": [value]}
    {"tensor": entry}            an array that was a Tensor; {"parameter": entry} if it required a gradient
    {"array": entry}             a NumPy array
    {"scalar": entry}            a NumPy scalar, as an array without dimensions
    {"int": hexadecimal}, {"float": "inf", "-inf" or "nan"}, {"bytes": hexadecimal}
    {"str": hexadecimal}         UTF-8 of a string with surrogates, which JSON would not keep apart

``entry`` names an array. An object that occurs twice is kept once, and is one object again after loading.
"""
import math
import re

import numpy as np

from tinyrnn.autograd.creation import from_numpy
from tinyrnn.autograd.tensor import Tensor

__all__ = ["pack", "unpack"]

MAX_DEPTH = 100                             # far below Python's recursion limit; also ends what contains itself
TENSOR_DTYPES = ("float32", "float64", "int64", "bool")
SURROGATES = re.compile("[\ud800-\udfff]")


# ---- to JSON ---------------------------------------------------------------------------------------------------------

class Packer:
    """Collects the arrays of a structure, by the entry names they get."""

    def __init__(self):
        self.arrays = {}                    # entry -> array
        self.entries = {}                   # (tag, id) -> entry and object, for what occurs twice

    def pack(self, value, place, depth=0):
        if depth > MAX_DEPTH:
            raise ValueError(f"{place} is nested deeper than {MAX_DEPTH} levels, or contains itself")
        kind = type(value)
        if isinstance(value, Tensor):
            return self.array("parameter" if value.requires_grad else "tensor", value, value.array, place)
        if isinstance(value, np.generic):
            return self.array("scalar", value, np.asarray(value), place)
        if kind is np.ndarray:
            return self.array("array", value, value, place)
        if kind is list:
            return [self.pack(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
        if kind is tuple:
            return {"tuple": [self.pack(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]}
        if isinstance(value, dict):
            return self.mapping(value, place, depth)
        return plain(value, place)

    def mapping(self, value, place, depth):
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"{place}: the key {key!r} of {type(key)} cannot be saved; keys are str or int")
        items = [(key, self.pack(item, inside(place, key), depth + 1)) for key, item in value.items()]
        if all(type(key) is str and not SURROGATES.search(key) for key in value):
            return {"dict": dict(items)}
        return {"items": [[plain(key, place), item] for key, item in items]}

    def array(self, tag, value, array, place):
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{place}: an array of dtype {array.dtype} cannot be saved, only of numbers and bools")
        if tag == "scalar" or (tag, id(value)) not in self.entries:
            entry = self.free_name(place)
            self.arrays[entry] = array
            self.entries[tag, id(value)] = entry, value     # kept, or another object could get its id
        return {tag: self.entries[tag, id(value)][0]}

    def free_name(self, place):
        """An entry name that tells the place: letters, digits and ._-[] only, so that any tool can unpack it."""
        name = re.sub(r"[^A-Za-z0-9._\-\[\]]", "_", place)[:200].lstrip(".") or "value"
        entry, i = f"{name}.npy", 1
        while entry in self.arrays:
            entry, i = f"{name}-{i}.npy", i + 1
        return entry


def inside(place, key):
    """model.layers[3]: how a user would write the place."""
    if isinstance(key, int):
        return f"{place}[{plain(key, place)}]"          # str() refuses ints of many thousand digits
    return f"{place}.{key}" if place else key


def plain(value, place):
    """What JSON can say itself, or with a tag."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -2**63 <= value < 2**63 else {"int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is str:
        return {"str": value.encode("utf-8", "surrogatepass").hex()} if SURROGATES.search(value) else value
    if kind is bytes:
        return {"bytes": value.hex()}
    raise TypeError(f"{place or 'the object'}: {kind} cannot be saved")


def pack(value):
    """(JSON-like structure, {entry: array}) of nested objects. TypeError names the place of what cannot be saved."""
    packer = Packer()
    return packer.pack(value, ""), packer.arrays


# ---- and back --------------------------------------------------------------------------------------------------------

class Unpacker:
    """Builds the objects; ``read(entry)`` returns the array of an entry. ValueError for anything unexpected."""

    def __init__(self, read):
        self.read = read
        self.made = {}                      # (tag, entry) -> object

    def unpack(self, node, depth=0):
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, list):
            return [self.unpack(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise ValueError(f"an object with {len(node)} tags")
        (tag, content), = node.items()
        if tag in ("tensor", "parameter", "array", "scalar"):
            return self.array(tag, expect(str, content))
        if tag == "tuple":
            return tuple(self.unpack(expect(list, content), depth))
        if tag == "dict":
            return {key: self.unpack(item, depth + 1) for key, item in expect(dict, content).items()}
        if tag == "items":
            return dict(self.item(pair, depth) for pair in expect(list, content))
        return scalar(tag, expect(str, content))

    def item(self, pair, depth):
        key, value = expect(list, pair)
        key = self.unpack(key, depth + 1)
        if type(key) not in (str, int):
            raise ValueError(f"a dict key of {type(key)}")
        return key, self.unpack(value, depth + 1)

    def array(self, tag, entry):
        if (tag, entry) not in self.made:
            array = self.read(entry)
            if tag in ("tensor", "parameter") and array.dtype.name not in TENSOR_DTYPES:
                raise ValueError(f"{entry}: a tensor cannot have dtype {array.dtype}")
            if tag == "scalar" and array.ndim != 0:
                raise ValueError(f"{entry}: a scalar of shape {array.shape}")
            self.made[tag, entry] = self.build(tag, array)
        return self.made[tag, entry]

    def build(self, tag, array):
        if tag == "array":
            return array
        if tag == "scalar":
            return array[()]
        tensor = from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape))
        if tag == "parameter":
            tensor.requires_grad = True
        return tensor


def expect(kind, value):
    if not isinstance(value, kind):
        raise ValueError(f"found {type(value).__name__} where {kind.__name__} belongs")
    return value


def scalar(tag, text):
    if tag == "int":
        return int(text, 16)
    if tag == "float" and text in ("inf", "-inf", "nan"):
        return float(text)
    if tag == "bytes":
        return bytes.fromhex(text)
    if tag == "str":
        return bytes.fromhex(text).decode("utf-8", "surrogatepass")
    raise ValueError(f"the tag {tag!r} with {text!r} means nothing here")


def unpack(structure, read):
    """The objects that ``pack`` took apart. ValueError or TypeError for a structure that it did not make."""
    return Unpacker(read).unpack(structure)
