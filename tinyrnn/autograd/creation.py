"""Tensors from data, of one value, or from a rule. Every one of them is a leaf; ``device`` may be "cpu"."""
import math
import operator
from collections.abc import Sequence

import numpy as np

from tinyrnn.autograd import dtypes
from tinyrnn.autograd.arrays import DtypeError, as_it_lies, cast
from tinyrnn.autograd.device import device as Device
from tinyrnn.autograd.dtypes import as_dtype
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.tensor import Tensor


def leaf(array, requires_grad=False, device=None) -> Tensor:
    if device is not None:
        Device(device)
    x = record(array, (), None)
    if requires_grad:
        x.requires_grad = True
    return x


# ---- from data -------------------------------------------------------------------------------------------------------

def _leaves(data, kinds):
    """Nested sequences with the tensors inside them as arrays; ``kinds`` collects the types of what they hold."""
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, (list, tuple)):
        inside = set(map(type, data))
        if inside <= {float, int, bool}:
            kinds |= inside
            return data
        return [_leaves(x, kinds) for x in data]
    kinds.add(data.dtype if isinstance(data, (np.ndarray, np.generic)) else type(data))
    return data


def array_of(operation, data, dtype):
    """A new array of the data: Python floats become float32, arrays and tensors keep their dtype."""
    dtype, kinds = as_dtype(operation, dtype), set()
    try:
        leaves = _leaves(data, kinds)
    except RecursionError:
        raise ValueError(f"{operation}: the sequences are nested too deep, or contain themselves") from None
    if not all(map(_numeric, kinds)):                       # with a dtype, NumPy would read numbers from strings
        raise _no_numbers(operation, kinds)
    try:
        with np.errstate(all="ignore"):
            array = np.array(leaves, dtype)
    except ValueError as error:
        raise ValueError(f"{operation}: nested sequences must be numbers and of equal lengths: {error}") from None
    if dtype is not None:
        return array
    if array.dtype == np.float64 and not kinds & {dtypes.float64, np.float64}:
        array = cast(array, dtypes.float32)
    if array.dtype not in dtypes.SUPPORTED:
        raise _no_numbers(operation, kinds)
    return array


def _numeric(kind):
    if isinstance(kind, np.dtype):
        return kind.kind in "biuf"
    return hasattr(kind, "__float__") or hasattr(kind, "__array__") or (
        issubclass(kind, Sequence) and not issubclass(kind, (str, bytes, bytearray)))


def _no_numbers(operation, kinds):
    names = ", ".join(sorted(getattr(kind, "__name__", str(kind)) for kind in kinds))
    return DtypeError(f"{operation}: expected numbers that fit float32, float64, int64 or bool, not {names}")


def tensor(data, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor with a copy of the data: a number, nested sequences, a NumPy array or a tensor.

    Python floats become float32, ints int64, bools bool; arrays and tensors keep their dtype.
    """
    return leaf(array_of("tensor", data, dtype), requires_grad, device)


def as_tensor(data, dtype=None, device=None) -> Tensor:
    """The data as a tensor, without a copy where it is a tensor or a NumPy array of the wanted dtype."""
    dtype = as_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        return data.to(device, dtype)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtype) and _obstacle(data) is None:
        return leaf(np.asarray(data).view(), device=device)
    return leaf(array_of("as_tensor", data, dtype), device=device)


def _obstacle(array):
    """Why a tensor cannot live on this array's memory, or None."""
    if array.dtype not in dtypes.SUPPORTED:
        return f"the dtype must be float32, float64, int64 or bool in native byte order, not {array.dtype.str}"
    if not array.flags.writeable:
        return "the array is read-only; tensor() makes a copy"
    if not array.flags.aligned or any(step % array.itemsize for step in array.strides):
        return f"elements are not aligned, strides {array.strides} for {array.itemsize} bytes; tensor() makes a copy"
    return None


def from_numpy(ndarray) -> Tensor:
    """A tensor on the array's own memory: a change to one shows in the other.

    The array must be writable and aligned, of dtype float32, float64, int64 or bool.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, not {type(ndarray).__name__}")
    obstacle = _obstacle(ndarray)
    if obstacle is not None:
        raise (DtypeError if ndarray.dtype not in dtypes.SUPPORTED else ValueError)(f"from_numpy: {obstacle}")
    return leaf(np.asarray(ndarray).view())


def is_tensor(obj) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


# ---- one value, or none ----------------------------------------------------------------------------------------------

def sizes_of(operation, size):
    """The shape from ``(2, 3)`` or ``((2, 3),)``."""
    if not size:
        raise TypeError(f"{operation}: expected a size; () is the shape of a single number")
    sizes = size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size
    sizes = tuple(map(operator.index, sizes))
    if min(sizes, default=0) < 0:
        raise RuntimeError(f"{operation}: a dimension of {sizes} is negative")
    return sizes


def empty(*size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor whose values are not set."""
    return leaf(np.empty(sizes_of("empty", size), as_dtype("empty", dtype) or dtypes.float32), requires_grad, device)


def zeros(*size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of zeros."""
    return leaf(np.zeros(sizes_of("zeros", size), as_dtype("zeros", dtype) or dtypes.float32), requires_grad, device)


def ones(*size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of ones."""
    return leaf(np.ones(sizes_of("ones", size), as_dtype("ones", dtype) or dtypes.float32), requires_grad, device)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of one value, in the dtype of that value unless given."""
    value = array_of("full", fill_value, dtype)
    return leaf(np.full(sizes_of("full", (size,)), value.item(), value.dtype), requires_grad, device)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """(n, m) with ones on the diagonal; m = n unless given."""
    shape = sizes_of("eye", (n, n if m is None else m))
    return leaf(np.eye(*shape, dtype=as_dtype("eye", dtype) or dtypes.float32), requires_grad, device)


def _like(input, make, requires_grad):
    """What ``make(shape)`` returns, with its dimensions in memory in the order of the input's."""
    return leaf(as_it_lies(lambda shape: make(shape).array, input.array), requires_grad)


def empty_like(input, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of the input's shape and dtype whose values are not set."""
    return _like(input, lambda shape: empty(shape, dtype=dtype or input.dtype, device=device), requires_grad)


def zeros_like(input, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Zeros in the input's shape and dtype."""
    return _like(input, lambda shape: zeros(shape, dtype=dtype or input.dtype, device=device), requires_grad)


def ones_like(input, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Ones in the input's shape and dtype."""
    return _like(input, lambda shape: ones(shape, dtype=dtype or input.dtype, device=device), requires_grad)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """One value in the input's shape and dtype."""
    return _like(input, lambda shape: full(shape, fill_value, dtype=dtype or input.dtype, device=device), requires_grad)


def new_empty(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``empty`` in this tensor's dtype."""
    return empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_zeros(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``zeros`` in this tensor's dtype."""
    return zeros(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_ones(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``ones`` in this tensor's dtype."""
    return ones(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``full`` in this tensor's dtype."""
    return full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``tensor`` in this tensor's dtype."""
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


# ---- ranges ----------------------------------------------------------------------------------------------------------

def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """start, start + step, ... below end: ``arange(end)`` starts at 0. int64 when all are ints, else float32.

    With dtype=int64 the fractions of start, end and step are left out first, as PyTorch does.
    """
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, (Tensor, np.generic)) else x for x in (start, end, step))
    whole = all(isinstance(x, int) for x in (start, end, step))
    dtype = as_dtype("arange", dtype) or (dtypes.int64 if whole else dtypes.float32)
    if dtype == dtypes.int64 and all(map(math.isfinite, (start, end, step))):
        start, end, step, whole = int(start), int(end), int(step), True
    if step == 0 or not all(map(math.isfinite, (start, end, step))):
        raise RuntimeError(f"arange: the bounds must be finite and the step nonzero, not {start}, {end}, {step}")
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: from {start} to {end} no step of {step} leads")
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    return leaf(cast(start + step * np.arange(count), dtype), requires_grad, device)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """``steps`` values at equal distances from start to end, both included."""
    if steps < 0:
        raise RuntimeError(f"linspace: the number of steps must not be negative, not {steps}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.linspace(float(start), float(end), operator.index(steps))
    return leaf(cast(array, as_dtype("linspace", dtype) or dtypes.float32), requires_grad, device)


# ---- PyTorch's older constructors ------------------------------------------------------------------------------------

def _typed(operation, arguments, dtype):
    if len(arguments) == 1 and not isinstance(arguments[0], int):
        return tensor(arguments[0], dtype=dtype)
    return leaf(np.empty(sizes_of(operation, arguments) if arguments else 0, dtype))


def FloatTensor(*data) -> Tensor:
    """float32 from data, or of a shape with values not set; :func:`tensor` is the usual way."""
    return _typed("FloatTensor", data, dtypes.float32)


def DoubleTensor(*data) -> Tensor:
    """float64 from data, or of a shape with values not set."""
    return _typed("DoubleTensor", data, dtypes.float64)


def LongTensor(*data) -> Tensor:
    """int64 from data, or of a shape with values not set."""
    return _typed("LongTensor", data, dtypes.int64)


def BoolTensor(*data) -> Tensor:
    """bool from data, or of a shape with values not set."""
    return _typed("BoolTensor", data, dtypes.bool)
