"""From tensors to other dtypes, to Python, to NumPy, to text and to files, and copies of whole tensors."""
from numpy cimport NPY_DOUBLE, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport cast, copy_as_it_lies, is_real
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.tensor cimport Tensor, version_of

import builtins
import copy as copying

import numpy as np

from tinyrnn.autograd import dtypes
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.device import CPU
from tinyrnn.autograd.device import device as Device

import_array()


# ---- dtypes and devices ----------------------------------------------------------------------------------------------

cdef Tensor convert(Tensor x, object dtype, bint copy):
    """y = x in another dtype; x itself where it already has it, unless a copy is asked for.    dx = dy in x's dtype"""
    before = x.array.dtype
    if before == dtype and not copy:
        return x

    def backward(y, dy):
        return convert(dy, before, False)
    backward.__qualname__ = "to"
    return record(x.array.copy() if before == dtype else cast(x.array, dtype), (x,), backward, ())


def to(Tensor input not None, *args, dtype=None, device=None, other=None, bint non_blocking=False, bint copy=False):
    """The tensor in another dtype: ``to(dtype)``, ``to(other)``, ``to(device)``, ``to(device, dtype)``.

    Where nothing changes it is the tensor itself, or a copy with ``copy=True``. There is one device and no transfer, so
    ``non_blocking`` changes nothing.    dx = dy in the old dtype
    """
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
    elif rest and (rest[0] is None or isinstance(rest[0], (str, Device))):
        device = rest.pop(0)
        dtype = rest.pop(0) if rest and not isinstance(rest[0], builtins.bool) else dtype
    elif rest:
        dtype = rest.pop(0)
    if len(rest) > 2:
        raise TypeError(f"to: {len(rest) - 2} arguments too many")
    if device is not None:
        Device(device)
    if other is not None:
        dtype = (<Tensor?> other).array.dtype
    dtype = input.array.dtype if dtype is None else dtypes.as_dtype("to", dtype)
    return convert(input, dtype, rest[1] if len(rest) == 2 else copy)


def type_as(Tensor input not None, Tensor other not None):
    """The tensor in the dtype of another."""
    return convert(input, other.array.dtype, False)


def type(Tensor input not None, dtype=None):
    """The tensor in ``dtype``, which may be a legacy type's name such as "tinyrnn.FloatTensor"; without one, the name
    of its own."""
    names = {f"tinyrnn.{name}Tensor": kind for name, kind in (
        ("Float", dtypes.float32), ("Double", dtypes.float64), ("Long", dtypes.int64), ("Bool", dtypes.bool))}
    if dtype is not None:
        return convert(input, dtypes.as_dtype("type", names.get(dtype, dtype)), False)
    return next(name for name, kind in names.items() if kind == input.array.dtype)


def float(Tensor input not None):
    """The tensor as float32."""
    return convert(input, dtypes.float32, False)


def double(Tensor input not None):
    """The tensor as float64."""
    return convert(input, dtypes.float64, False)


def long(Tensor input not None):
    """The tensor as int64; fractions are cut off."""
    return convert(input, dtypes.int64, False)


def bool(Tensor input not None):
    """Whether each element is nonzero."""
    return convert(input, dtypes.bool, False)


def int(Tensor input not None):
    """Raises: in PyTorch this is int32, which is not among the dtypes here."""
    raise DtypeError("int: there is no int32; use long() for int64")


def cpu(Tensor input not None):
    """The tensor itself: it is on the CPU."""
    return input


def cuda(Tensor input not None, device=None, non_blocking=False):
    """Raises: there is only the CPU."""
    raise RuntimeError("cuda: there is only the CPU")


def is_floating_point(Tensor input not None):
    """Whether it is float32 or float64."""
    return is_real(input.array)


def is_inference(Tensor input not None):
    """Whether it was made in inference mode."""
    return input.inference


def requires_grad_(Tensor self not None, requires_grad=True):
    """Sets ``requires_grad`` and returns the tensor."""
    self.requires_grad = requires_grad
    return self


def device(Tensor self not None):
    """Where it is: device("cpu")."""
    return CPU


def is_cuda(Tensor self not None):
    """False: there is only the CPU."""
    return False


# ---- to Python and NumPy ---------------------------------------------------------------------------------------------

def item(Tensor input not None):
    """The one element as a Python number."""
    if input.array.size != 1:
        raise ShapeError(f"item: only one element can become a Python number, not a tensor of shape {input.shape}")
    return input.array.item()


def tolist(Tensor input not None):
    """The elements as nested lists of Python numbers; a number for a tensor without dimensions."""
    return input.array.tolist()


def numpy(Tensor input not None, *, force=False):
    """The values as a NumPy array on the same memory. A tensor that requires grad needs ``force=True``, or detach()."""
    if input.requires_grad and not force:
        raise RuntimeError("numpy: the tensor requires grad; use x.detach().numpy()")
    version_of(input)                       # its memory is shared from now on
    return input.array.view()


def to_array(Tensor self not None, dtype=None, copy=None):
    """NumPy's ``__array__``: the same memory where the dtype allows it."""
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(f"array: {array.dtype} cannot become {np.dtype(dtype)} without a copy")
        return cast(array, dtype)
    return array.copy() if copy else array


def as_index(Tensor self not None):
    """Python's ``__index__``: the one element of an integer tensor."""
    if self.array.size != 1 or is_real(self.array):
        raise TypeError(f"only an integer tensor with one element can be an index, not {self.dtype} {self.shape}")
    return builtins.int(self.array.item())


# ---- to text ---------------------------------------------------------------------------------------------------------

def describe(Tensor self not None):
    """repr: the values with four decimals, and whatever is not usual about the tensor. Large ones are summarised."""
    array = self.array
    parts = []
    whole = not is_real(array) or not (np.isfinite(array) & (np.floor(array) != array)).any()
    text = np.array2string(array, separator=", ", precision=4, floatmode="maxprec" if whole else "fixed",
                           max_line_width=80, threshold=1000, edgeitems=3, prefix="tensor(")
    if array.size == 0:
        text = "[]"
        if self.ndim != 1:
            parts.append(f"size={self.shape}")
    if PyArray_TYPE(array) == NPY_DOUBLE or (array.size == 0 and not is_real(array)):
        parts.append(f"dtype=tinyrnn.{array.dtype.name}")
    if self.grad_fn is not None:
        parts.append(f"grad_fn={self.grad_fn}")
    elif self.requires_grad:
        parts.append("requires_grad=True")
    return f"tensor({', '.join([text, *parts])})"


def format(Tensor self not None, spec):
    """``f"{x:.3f}"``: a tensor without dimensions is formatted as its number."""
    if self.ndim == 0:
        return self.array.item().__format__(spec)
    if spec:
        raise TypeError(f"a tensor of shape {self.shape} cannot be formatted with {spec!r}; use item()")
    return str(self)


# ---- whole tensors ---------------------------------------------------------------------------------------------------

def _rebuild(cls, ndarray array, requires_grad, attributes):
    """The other end of pickling: a leaf around the array."""
    cdef Tensor x = Tensor.__new__(cls)
    x.array = array
    x.requires = requires_grad
    if attributes:
        x.__dict__.update(attributes)
    return x


def pickled(Tensor self not None):
    """For ``__reduce__``: values, requires_grad and a subclass's attributes. The history stays behind."""
    return _rebuild, (builtins.type(self), self.array, self.requires_grad, getattr(self, "__dict__", None))


def deepcopy(Tensor self not None, dict memo):
    """For ``copy.deepcopy``: a leaf with its own memory, of the same class and with copies of its attributes."""
    cdef Tensor x
    if not self.is_leaf:
        raise RuntimeError("deepcopy: only leaves can be copied, this tensor has a history; detach() or clone() it")
    if id(self) in memo:
        return memo[id(self)]
    x = _rebuild(builtins.type(self), copy_as_it_lies(self.array), self.requires_grad, None)
    memo[id(self)] = x
    x.gradient = copying.deepcopy(self.gradient, memo)
    if getattr(self, "__dict__", None):
        x.__dict__.update(copying.deepcopy(self.__dict__, memo))
    return x
