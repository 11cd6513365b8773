"""The Tensor: an array that can remember how it was made, and the Node: that memory.

A Node never holds the tensor it made, only what its backward needs, so there are no reference cycles: a graph lives
exactly as long as the last tensor that came out of it. The operations live above this file; they hand themselves
down once, in ``methods.py``: ``ops`` are those the operators below call, ``adopt`` adds the named methods.
"""
cimport cython
from cpython.object cimport PyObject
from numpy cimport (
    NPY_ARRAY_CARRAY, NPY_ARRAY_OWNDATA, PyArray_CHKFLAGS, PyArray_DATA, PyArray_DIMS, PyArray_NDIM, PyArray_TYPE,
    import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport is_real, same_shape, shape_of

import numpy as np

import_array()

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define TINYRNN_PER_THREAD __declspec(thread)
    #else
    #define TINYRNN_PER_THREAD __thread
    #endif
    static TINYRNN_PER_THREAD int tinyrnn_mode = 1;      /* a new thread records */
    """
    int tinyrnn_mode

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject* tp_dict
    void PyType_Modified(PyTypeObject* cls)
    Py_ssize_t Py_REFCNT(PyObject* x)       # of a pointer: for an object Cython would hold a reference of its own

cdef ndarray NOTHING = np.empty(0, np.float32)           # a Tensor's array is never None


cdef int get_mode() noexcept nogil:
    return tinyrnn_mode


cdef int set_mode(int mode) noexcept nogil:
    """Sets this thread's mode (RECORDING, INFERENCE or 0) and returns the one before."""
    global tinyrnn_mode
    cdef int before = tinyrnn_mode
    tinyrnn_mode = mode
    return before


def swap_mode(int mode):
    """The Python face of ``set_mode``; ``grad_mode.py`` builds the context managers on it."""
    return set_mode(mode)


def current_mode():
    return tinyrnn_mode


@cython.final
@cython.auto_pickle(False)
cdef class _Operations:
    """What the operators of Tensor call: functions of these names, once they are loaded."""

    cdef public object abs, add, add_, as_index, bitwise_and, bitwise_and_, bitwise_not, bitwise_or, bitwise_or_
    cdef public object bitwise_xor, bitwise_xor_, deepcopy, describe, div, div_, eq, floor_divide, floor_divide_
    cdef public object format, ge, getitem, gt, item, le, lt, matmul, mul, mul_, ne, neg, pickled, pow, pow_
    cdef public object remainder, remainder_, setitem, sub, sub_, to_array, unbind


cdef _Operations ops = _Operations()


def adopt(dict operations, methods):
    """Ties the knot: the operations the operators call, and the functions that become methods of Tensor."""
    for name in vars(_Operations):
        if not name.startswith("_"):
            setattr(ops, name, operations[name])
    for name, function in methods.items():
        (<dict> (<PyTypeObject*> Tensor).tp_dict)[name] = function
    PyType_Modified(<PyTypeObject*> Tensor)


@cython.final
@cython.freelist(256)
@cython.auto_pickle(False)
cdef class Version:
    """Counts the in-place changes of one piece of memory."""


@cython.final
@cython.freelist(256)
@cython.trashcan(True)
@cython.auto_pickle(False)
@cython.binding(False)          # Node.name(3) must raise: a method bound by Cython takes anything for its self
cdef class Node:
    """One recorded operation: its inputs, and how a gradient flows back through it."""

    def __init__(self):
        raise TypeError("a Node is made by tinyrnn.record")

    def name(self):
        """A readable name: ``MulBackward`` for the operation ``mul``."""
        return "".join([word[:1].upper() + word[1:] for word in self.operation().split("_")]) + "Backward"

    def operation(self):
        """The operation's own name: that of the function in which its backward was defined."""
        if isinstance(self.backward, str):          # freed
            return self.backward
        return getattr(self.backward, "__qualname__", "operation").split(".<locals>")[0].rsplit(".", 1)[-1]

    @property
    def next_functions(self):
        """One (node or leaf tensor, 0) pair an input; None where no gradient is wanted."""
        return tuple((x, 0) for x in self.inputs or ())

    def __repr__(self):
        return f"<{self.name()}>"


@cython.freelist(256)
@cython.trashcan(True)
cdef class Tensor:
    """A NumPy array and, where a gradient is wanted, the operation it came from.

    ``Tensor([[1, 2], [3, 4]])`` makes float32 from nested sequences or an array, ``Tensor(2, 3)`` one of that shape
    whose values are not set, as in PyTorch; :func:`tinyrnn.tensor` is the usual way.
    """

    def __cinit__(self):
        self.array = NOTHING

    def __init__(self, *data):
        if len(data) == 1 and not isinstance(data[0], int):
            self.array = np.array(data[0].array if isinstance(data[0], Tensor) else data[0], np.float32, order="C")
        else:
            self.array = np.empty(data or 0, np.float32)

    # ---- what it is ----

    @property
    def data(self):
        """The values without history, on the same memory. Backward does not mind changes through it."""
        cdef Tensor x = wrap(self.array)
        cdef Version version = version_of(self)
        version_of(x).watched = version if version.watched is None else version.watched
        return x

    @data.setter
    def data(self, Tensor other not None):
        if self.node is not None and PyArray_TYPE(other.array) != PyArray_TYPE(self.array):
            raise TypeError(f"data: only a leaf can change from {self.array.dtype} to {other.array.dtype}")
        if self.requires and not is_real(other.array):
            raise TypeError(f"data: {other.array.dtype} values have no gradient, and this tensor requires one")
        if self.array is NOTHING:
            self.version = version_of(other)        # a new Parameter: a change of one is a change of both
        else:
            changed(self)                           # a backward that saved the old values must not read the new
        self.array = other.array

    @property
    def grad(self):
        """The gradient that backward() collected here, or None."""
        return self.gradient

    @grad.setter
    def grad(self, Tensor other):
        if other is not None and (other.shape != self.shape or other.dtype != self.dtype):
            raise ValueError(f"grad: a {self.dtype} tensor of shape {self.shape} cannot have a gradient of "
                             f"{other.dtype} {other.shape}")
        if other is self:
            raise ValueError("grad: a tensor cannot be its own gradient")
        self.gradient = other

    @grad.deleter
    def grad(self):
        self.gradient = None

    @property
    def requires_grad(self):
        refresh(self)
        return self.requires

    @requires_grad.setter
    def requires_grad(self, bint value):
        if value and not is_real(self.array):
            raise TypeError(f"requires_grad: only float32 and float64 tensors have gradients, not {self.dtype}")
        if self.node is not None and not value:
            raise RuntimeError("requires_grad can only be switched off for a leaf; use x.detach() to cut the graph")
        if value and self.inference and not tinyrnn_mode & INFERENCE:
            raise RuntimeError("requires_grad: a tensor made in inference_mode has no gradient outside it; clone it")
        self.requires = value

    @property
    def grad_fn(self):
        """The Node that made it; None for a leaf."""
        refresh(self)
        return self.node

    @property
    def is_leaf(self):
        refresh(self)
        return self.node is None

    @property
    def shape(self):
        return shape_of(self.array)

    @property
    def dtype(self):
        return self.array.dtype

    @property
    def ndim(self):
        return PyArray_NDIM(self.array)

    @property
    def _version(self):
        """How often the memory was changed in place."""
        return 0 if self.version is None else self.version.count

    @property
    def _base(self):
        """The tensor this one is a view of, or None."""
        return self.source

    __array_priority__ = 1000           # array + tensor asks the tensor first

    # ---- operators: each is the operation of that name ----

    def __add__(self, other): return ops.add(self, other)
    def __radd__(self, other): return ops.add(other, self)
    def __iadd__(self, other): return ops.add_(self, other)
    def __sub__(self, other): return ops.sub(self, other)
    def __rsub__(self, other): return ops.sub(other, self)
    def __isub__(self, other): return ops.sub_(self, other)
    def __mul__(self, other): return ops.mul(self, other)
    def __rmul__(self, other): return ops.mul(other, self)
    def __imul__(self, other): return ops.mul_(self, other)
    def __truediv__(self, other): return ops.div(self, other)
    def __rtruediv__(self, other): return ops.div(other, self)
    def __itruediv__(self, other): return ops.div_(self, other)
    def __floordiv__(self, other): return ops.floor_divide(self, other)
    def __rfloordiv__(self, other): return ops.floor_divide(other, self)
    def __ifloordiv__(self, other): return ops.floor_divide_(self, other)
    def __mod__(self, other): return ops.remainder(self, other)
    def __rmod__(self, other): return ops.remainder(other, self)
    def __imod__(self, other): return ops.remainder_(self, other)
    def __pow__(self, other, modulo): return ops.pow(self, other) if modulo is None else NotImplemented
    def __rpow__(self, other, modulo): return ops.pow(other, self) if modulo is None else NotImplemented
    def __ipow__(self, other): return ops.pow_(self, other)
    def __matmul__(self, other): return ops.matmul(self, other)
    def __rmatmul__(self, other): return ops.matmul(other, self)
    def __and__(self, other): return ops.bitwise_and(self, other)
    def __rand__(self, other): return ops.bitwise_and(other, self)
    def __iand__(self, other): return ops.bitwise_and_(self, other)
    def __or__(self, other): return ops.bitwise_or(self, other)
    def __ror__(self, other): return ops.bitwise_or(other, self)
    def __ior__(self, other): return ops.bitwise_or_(self, other)
    def __xor__(self, other): return ops.bitwise_xor(self, other)
    def __rxor__(self, other): return ops.bitwise_xor(other, self)
    def __ixor__(self, other): return ops.bitwise_xor_(self, other)
    def __eq__(self, other): return ops.eq(self, other) if comparable(other) else NotImplemented
    def __ne__(self, other): return ops.ne(self, other) if comparable(other) else NotImplemented
    def __lt__(self, other): return ops.lt(self, other)
    def __le__(self, other): return ops.le(self, other)
    def __gt__(self, other): return ops.gt(self, other)
    def __ge__(self, other): return ops.ge(self, other)
    def __neg__(self): return ops.neg(self)
    def __pos__(self): return self
    def __abs__(self): return ops.abs(self)
    def __invert__(self): return ops.bitwise_not(self)
    def __getitem__(self, index): return ops.getitem(self, index)
    def __setitem__(self, index, value): ops.setitem(self, index, value)
    def __iter__(self): return iter(ops.unbind(self))
    def __float__(self): return float(ops.item(self))
    def __int__(self): return int(ops.item(self))
    def __bool__(self): return bool(ops.item(self))
    def __index__(self): return ops.as_index(self)
    def __repr__(self): return ops.describe(self)
    def __format__(self, spec): return ops.format(self, spec)
    def __array__(self, dtype=None, copy=None): return ops.to_array(self, dtype, copy)
    def __reduce__(self): return ops.pickled(self)
    def __deepcopy__(self, memo): return ops.deepcopy(self, memo)

    def __contains__(self, value):
        if not comparable(value):
            raise TypeError(f"in: expected a tensor or a number, not {type(value).__name__}")
        return bool(ops.eq(self, value).any())

    def __hash__(self):
        return <Py_ssize_t> <void*> self >> 4       # a tensor is a key by identity; == compares elements

    def __len__(self):
        if PyArray_NDIM(self.array) == 0:
            raise TypeError("len() of a 0-d tensor")
        return PyArray_DIMS(self.array)[0]


@cython.final
@cython.freelist(64)
@cython.auto_pickle(False)
cdef class Part:
    """A gradient that is zero outside one part of its tensor: the part that ``operation(x, *arguments)`` views.

    The backward of a view may return it: a loop over the steps of a sequence then costs as much as the sequence, not
    as much as its square.
    """

    def __cinit__(self, Tensor values not None, operation, *arguments):
        self.values, self.replay = values, (operation, *arguments)


cdef bint comparable(object x):
    """What == looks into; to anything else a tensor is not equal."""
    return type(x) is Tensor or isinstance(x, (Tensor, int, float, np.generic, np.ndarray, list, tuple))


cdef Tensor wrap(ndarray array):
    """A tensor without history around an array."""
    cdef Tensor x = Tensor.__new__(Tensor)
    x.array = array
    x.inference = tinyrnn_mode & INFERENCE
    return x


cdef Version version_of(Tensor x):
    """The version counter of x's memory, made when it is first needed."""
    if x.version is None:
        x.version = Version.__new__(Version)
    return x.version


cdef int changed(Tensor x) except -1:
    """Notes that x's memory was changed in place."""
    cdef Version version = version_of(x)
    version.count += 1
    if version.watched is not None:
        version.watched.unwatched += 1
    return 0


cdef long writes_to(Tensor x):
    """How often x's memory was changed in place, through .data as well."""
    cdef Version version = version_of(x)
    return version.count + version.unwatched


cdef bint owned(Tensor x):
    """Whether nobody else can see this tensor or its memory: the caller's reference is the only one."""
    return (Py_REFCNT(<PyObject*> x) == 1 and Py_REFCNT(<PyObject*> x.array) == 1 and x.version is None
            and PyArray_CHKFLAGS(x.array, NPY_ARRAY_CARRAY | NPY_ARRAY_OWNDATA))


cdef int renew_chain(Tensor x) except -1:
    """The view gets its history anew, from the tensor it views; that may itself be such a view, and so on: the walk is
    a loop, so that no chain is too long for it."""
    cdef Tensor y
    cdef int before
    chain = []
    y = x
    while y.source is not None:
        chain.append(y)
        y = y.source
    before = set_mode(RECORDING)
    try:
        for view in reversed(chain):
            renew(view)
    finally:
        set_mode(before)
    return 0


cdef int renew(Tensor x) except -1:
    cdef Tensor y
    if x.seen == x.version.count:
        return 0
    if x.node is not None or x.source.requires:
        if x.replay is None:
            raise RuntimeError(f"a view of shape {x.shape} was made in no_grad mode, and its memory was changed in "
                               "place since: it has no history to follow. Make it outside, or detach() it")
        y = x.replay[0](x.source, *x.replay[1:])
        if PyArray_DATA(y.array) != PyArray_DATA(x.array) or not same_shape(y.array, x.array):
            raise RuntimeError(f"a view of shape {x.shape}: the tensor it views was given other memory through .data")
        x.requires = y.requires
        follow(x, y.node)
    x.seen = x.version.count
    return 0


cdef int follow(Tensor x, Node node) except -1:
    """x was changed in place: from now on ``node`` is how it was made."""
    if x.retains and x.node is not None and node is not None and node is not x.node:
        node.retained, x.node.retained = x.node.retained, None
    x.node = node
    return 0
