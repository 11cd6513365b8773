"""Checkpoints: everything comes back exactly, and no file can do harm."""
import collections
import io
import json
import math
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
from tinyrnn import optim
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.generator import Generator
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.io import CheckpointError, load, save, structure
from tinyrnn.optim import lr_scheduler


def through(obj):
    file = io.BytesIO()
    save(obj, file)
    return load(io.BytesIO(file.getvalue()))


def identical(a, b):
    """Equal in type and to the last bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.requires_grad == b.requires_grad and identical(a.array, b.array)
    if isinstance(a, (np.ndarray, np.generic)):
        return (type(a) is type(b) and a.dtype == b.dtype and np.shape(a) == np.shape(b)
                and np.asarray(a).tobytes() == np.asarray(b).tobytes())
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and [type(k) for k in a] == [type(k) for k in b] \
            and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, float):
        return type(b) is float and struct.pack("d", a) == struct.pack("d", b)
    return type(a) is type(b) and a == b


# ---- what comes back ----

@pytest.mark.parametrize("value", [
    None, True, False, 0, -1, 2**63, -2**63 - 1, 10**5000, 0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf,
    -math.inf, math.nan, "", "é\n\0\u2028", "\ud83d\ude00", "\ud800", b"", b"\x00\xff", [], (), {}, [[], ()], (1, [2]),
    {"a": {1: 2, "1": 3, -5: 4, 2**70: 5}}, {"dict": {}, "tuple": [1]}, {"\ud800": 1}, {10**5000: 1},
    {"": {"": tensor(1.0)}}, collections.OrderedDict(b=1, a=2), collections.Counter([1, 1, 2]),
], ids=lambda value: type(value).__name__)
def test_plain_values(value):
    expected = dict(value) if isinstance(value, dict) else value
    assert identical(expected, through(value))


DTYPES = [np.float32, np.float64, np.int64, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (17, 3), (3, 0, 2)])
def test_tensors_and_arrays(dtype, shape):
    array = np.asarray(np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)
    value = {"t": tensor(array), "a": array, "f": np.asfortranarray(array), "s": array.T}
    assert identical(value, through(value))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint32", "uint64", "float16", "complex64", ">f4", ">i8"])
def test_other_numbers_are_arrays(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    assert identical([array, array[0, 1]], through([array, array[0, 1]]))


def test_float_bits_survive():
    bits = np.array([0x7FC00001, 0xFF800000, 0x80000000, 1], np.uint32).view(np.float32)
    assert through(tensor(bits)).array.tobytes() == bits.tobytes()


def test_requires_grad_is_kept_and_history_is_not():
    x = tensor([1.0, 2.0], requires_grad=True)
    back = through({"x": x, "y": x * 2, "z": x.detach()})
    assert [back[key].requires_grad for key in "xyz"] == [True, True, False]
    assert back["y"].is_leaf
    assert back["x"].grad is None


def test_what_was_one_object_is_one_object():
    x, a = tensor([1.0]), np.ones(2)
    back = through({"x": x, "y": x, "z": x.detach(), "a": [a, a]})
    assert back["x"] is back["y"]
    assert not np.shares_memory(back["x"].array, back["z"].array)
    assert back["a"][0] is back["a"][1]
    assert back["a"][0].flags.writeable


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda x: st.lists(x, max_size=4) | st.tuples(x, x) | st.dictionaries(st.text() | st.integers(), x, max_size=4),
    max_leaves=15)


@given(JSON_LIKE)
def test_nested_values(value):
    assert identical(value, through(value))


def test_values_that_a_dict_makes_when_it_is_asked():
    class Doubled(dict):
        def items(self):
            return ((key, tensor(2.0 * value)) for key, value in super().items())
    loaded = through(Doubled({str(i): float(i) for i in range(50)}))
    assert [value.item() for value in loaded.values()] == [2.0 * i for i in range(50)]


def test_numpy_reads_the_arrays(tmp_path):
    save({"model": {"w": tensor([[1.0, 2.0]])}, "steps": [np.arange(3)], 5: np.ones(1)}, tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert arrays["model.w"].tolist() == [[1, 2]]
        assert arrays["steps[0]"].tolist() == [0, 1, 2]
        assert json.loads(arrays["structure.json"])["version"] == 1


def test_the_same_object_gives_the_same_bytes():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save({"x": tensor([1.0]), "y": [1, 2.5]}, file)
    assert files[0].getvalue() == files[1].getvalue()


def test_entry_names_are_harmless():
    value = {"../../etc/passwd": np.ones(1), "/abs": np.zeros(1), "a.b": np.ones(2), "a": {"b": np.zeros(2)},
             "x" * 1000: np.ones(3), "..": np.ones(1), "\0": np.ones(4), "A\\B": np.ones(5)}
    file = io.BytesIO()
    save(value, file)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert len(set(names)) == len(names)
    assert not [name for name in names if "/" in name or "\\" in name or name.startswith(".") or len(name) > 220]
    assert identical(value, load(io.BytesIO(file.getvalue())))


# ---- what cannot be saved ----

class Thing:
    pass


class Number(int):
    pass


@pytest.mark.parametrize(("value", "match"), [
    ({"model": {"layers": [1, 2, 3, {"foo": Thing()}]}}, r"model\.layers\[3\]\.foo: <class '.*Thing'> cannot be saved"),
    ({"a": {1, 2}}, "a: <class 'set'>"),
    ({"a": {(1, 2): 3}}, r"a: the key \(1, 2\)"),
    ({"a": {True: 3}}, "a: the key True"),
    (np.array([Thing()]), "dtype object"),
    ({"a": np.array(["x"])}, "a: an array of dtype <U1"),
    ({"a": np.zeros(2, [("x", "f4")])}, "a: an array of dtype"),
    (np.datetime64("2020-01-01"), "dtype datetime64"),
    ([1, Number(3)], r"\[1\]: <class '.*Number'>"),
    (collections.namedtuple("Pair", "x y")(1, 2), "the object: <class '.*Pair'>"),
    (Thing, "the object: <class 'type'>"),
    ([1j], "complex"),
])
def test_unsupported_objects_name_their_place(tmp_path, value, match):
    path = tmp_path / "c"
    path.write_bytes(b"before")
    with pytest.raises(TypeError, match=match):
        save(value, path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["c"]


def test_cycles_and_depth():
    cycle = {}
    cycle["x"] = [cycle]
    with pytest.raises(ValueError, match="contains itself"):
        save(cycle, io.BytesIO())
    deep = []
    for _ in range(structure.MAX_DEPTH):
        deep = [deep]
    assert identical(deep, through(deep))
    with pytest.raises(ValueError, match="nested deeper"):
        save([deep], io.BytesIO())


# ---- arguments ----

def test_text_files_are_refused():
    with pytest.raises(TypeError, match="'wb'"):
        save(1, io.StringIO())
    with pytest.raises(TypeError, match="'rb'"):
        load(io.StringIO())


def test_arguments_of_load(tmp_path):
    path = tmp_path / "c"
    save(7, path)
    assert load(path, "cpu") == load(path, map_location="cpu", weights_only=True) == 7
    with pytest.raises(ValueError, match="map_location='cuda'"):
        load(path, "cuda")
    with pytest.raises(ValueError, match="weights_only"):
        load(path, weights_only=False)


# ---- files that nobody should trust ----

def archive(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        for name, data in entries:
            out.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return file.getvalue()


def npy(array, **changes):
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **changes}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def described(content, *entries, **header):
    text = json.dumps({"format": "tinyrnn checkpoint", "version": 1, "content": content, **header})
    return archive([("structure.json", text), *entries])


ONE = ("x.npy", npy(np.ones(2)))
X = {"array": "x.npy"}
BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello", "not a tinyrnn checkpoint"),
    "pickle": (pickle.dumps({"a": 1}), "could run code"),
    "zip-start": (b"PK\x03\x04", "truncated or damaged"),
    "no-structure": (archive([ONE]), "no structure.json"),
    "not-json": (archive([("structure.json", "{")]), "truncated or damaged"),
    "json-list": (archive([("structure.json", "[]")]), "says otherwise"),
    "json-nan": (archive([("structure.json", '{"content": NaN}')]), "NaN is not JSON"),
    "json-deep": (archive([("structure.json", "[" * 100000)]), "truncated or damaged"),
    "json-digits": (archive([("structure.json", '{"content": ' + "9" * 10000 + "}")]), "truncated or damaged"),
    "format": (described(1, format="other"), "says otherwise"),
    "version": (described(1, version=2), "version 2"),
    "missing": (described(X), "x.npy: structure.json mentions"),
    "outside": (described({"array": "../../x.npy"}, ONE), "not there"),
    "absolute": (described({"array": "/etc/passwd"}), "not there"),
    "itself": (described({"array": "structure.json"}), "not there"),
    "extra": (described(1, ONE), "does not mention"),
    "extra-absolute": (described(1, ("/etc/passwd", b"x")), "does not mention"),
    "unknown-tag": (described({"call": "os.system"}), "means nothing"),
    "two-tags": (described({"tuple": [], "dict": {}}), "2 tags"),
    "no-tag": (described([{}]), "0 tags"),
    "wrong-type": (described({"array": 3}, ONE), "found int where str"),
    "wrong-tuple": (described({"tuple": 3}), "found int where list"),
    "wrong-key": (described({"items": [[1.5, 2]]}), "a dict key"),
    "wrong-items": (described({"items": [[1, 2, 3]]}), "truncated or damaged"),
    "wrong-float": (described({"float": "1e5"}), "means nothing"),
    "wrong-int": (described({"int": "zz"}), "truncated or damaged"),
    "wrong-str": (described({"str": "ff"}), "truncated or damaged"),
    "too-deep": (described(json.loads("[" * 200 + "]" * 200)), "nested deeper"),
    "object": (described(X, ("x.npy", npy(np.ones(2), descr="|O"))), "dtype object"),
    "text-array": (described(X, ("x.npy", npy(np.ones(2), descr="<U4"))), "dtype <U4"),
    "subarray": (described(X, ("x.npy", npy(np.ones(2), descr=("<f8", (2,))))), "x.npy|truncated or damaged"),
    "tensor-dtype": (described({"tensor": "x.npy"}, ("x.npy", npy(np.ones(2, np.int8)))), "cannot have dtype int8"),
    "int-parameter": (described({"parameter": "x.npy"}, ("x.npy", npy(np.ones(2, np.int64)))), "truncated or damaged"),
    "scalar-shape": (described({"scalar": "x.npy"}, ONE), "a scalar of shape"),
    "bomb": (described(X, ("x.npy", npy(np.ones(2), shape=(10**12,)))), "needs 8000000000000 bytes"),
    "overflow": (described(X, ("x.npy", npy(np.ones(2), shape=(2**62, 8)))), "needs"),
    "negative": (described(X, ("x.npy", npy(np.ones(2), shape=(-1, -2)))), "shape|truncated or damaged"),
    "zero-sized-overflow": (described(X, ("x.npy", npy(np.ones(0), shape=(0, 2**62, 2**62)))), "truncated or damaged"),
    "short": (described(X, ("x.npy", npy(np.ones(2), shape=(3,)))), "needs 24 bytes, found 16"),
    "long": (described(X, ("x.npy", npy(np.ones(2), shape=(1,)))), "needs 8 bytes, found 16"),
    "no-array": (described(X, ("x.npy", b"hello")), "truncated or damaged"),
    "header-code": (described(X, ("x.npy", b"\x93NUMPY\x01\x00\x18\x00__import__('os').abort()")), "damaged"),
    "strange-bools": (described(X, ("x.npy", npy(np.full(3, 7, np.uint8), descr="|b1"))), "bools other than"),
    "deflated": (archive([("structure.json", b"0" * 10**6)], zipfile.ZIP_DEFLATED), "compressed"),
}


@pytest.mark.parametrize(("data", "match"), BAD.values(), ids=BAD)
def test_bad_files_say_what_is_wrong(tmp_path, data, match):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=match) as error:
        load(path)
    assert str(error.value).startswith(str(path))


def test_two_entries_of_one_name():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = described(X, ONE, ONE)
    with pytest.raises(CheckpointError, match="the same name"):
        load(io.BytesIO(data))


@pytest.mark.parametrize("new_format", [True, False])
def test_torch_files_are_named(tmp_path, new_format):
    torch.save({"a": torch.ones(2)}, tmp_path / "t", _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match="pickle.*could run code"):
        load(tmp_path / "t")


def test_no_truncation_and_no_flipped_byte_goes_unnoticed():
    file = io.BytesIO()
    value = {"x": tensor(np.arange(20.0)), "y": [1, "two", 3.0]}
    save(value, file)
    data = file.getvalue()
    for end in range(0, len(data), 7):
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data[:end]))
    silent = 0
    for i in range(0, len(data), 5):
        changed = data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1:]
        try:
            back = load(io.BytesIO(changed))
        except CheckpointError:
            continue
        assert identical(load(io.BytesIO(data)), back)          # a byte that says nothing, as a date
        silent += 1
    assert silent < len(data) / 5 / 3


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_checkpoint_error(data, zipped):
    with pytest.raises(CheckpointError):
        load(io.BytesIO((b"PK\x03\x04" if zipped else b"") + data))


# ---- training goes on ----

class Line:
    """y = w x + b by least squares, with an optimiser and a schedule."""

    def __init__(self):
        self.w = tensor(np.array([0.5, -0.3], np.float32), requires_grad=True)
        self.b = tensor(np.array([0.1], np.float32), requires_grad=True)
        self.optimizer = optim.Adam([self.w, self.b], lr=0.1, amsgrad=True, weight_decay=0.01)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 3, 0.5)
        self.generator = Generator().manual_seed(0)

    def train(self, steps):
        for _ in range(steps):
            x = tensor(self.generator.normal((8, 2)))
            y = tensor(x.array[:, 0] * 2 - x.array[:, 1] + 0.5)
            error = (x * self.w).sum(1) + self.b - y
            self.optimizer.zero_grad()
            (error * error).sum().backward()
            self.optimizer.step()
            self.scheduler.step()

    def state(self):
        return {"w": self.w, "b": self.b, "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(), "generator": self.generator.get_state()}

    def restore(self, state):
        self.w.array[...], self.b.array[...] = state["w"].array, state["b"].array
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"])


def test_training_resumes_to_the_last_bit(tmp_path):
    whole, first, second = Line(), Line(), Line()
    whole.train(10)
    first.train(5)
    save(first.state(), tmp_path / "c")
    second.restore(load(tmp_path / "c"))
    assert identical(first.state(), second.state())
    second.train(5)
    assert identical(whole.state(), second.state())
    assert not identical(first.state(), second.state())
