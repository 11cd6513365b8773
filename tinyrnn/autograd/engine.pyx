"""The engine: what an operation writes down when it runs, and the pass that walks it backward.

An operation computes its output and calls ``record(out, parents, backward, saved)``. If a gradient is wanted for one
of the parents, the output gets a Node: the parents' own nodes, and the function ``backward(y, dy)``, which turns the
gradient of the output into one gradient for each parent. The pass itself is in ``backward.pyx``.

Three things make this work with in-place changes:

- every piece of memory has a version; a node remembers the versions of the tensors its backward will read (``saved``)
  and refuses to run on values that are no longer the ones it was recorded with;
- ``overwrite`` gives a changed tensor a new history, and its base too when it is a view;
- a view made before such a change renews its history when it is used next (``tensor.refresh``).
"""
from numpy cimport (
    PyArray_DIMS, PyArray_ISWRITEABLE, PyArray_NDIM, PyArray_SIZE, PyArray_STRIDES, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport is_real, same_shape, shape_of
from tinyrnn.autograd.tensor cimport INFERENCE, RECORDING, Node, Tensor, changed, get_mode, refresh, version_of, wrap

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

OUTPUT = "output"

# ---- writing down ----------------------------------------------------------------------------------------------------

cpdef Tensor record(object out, tuple parents, object backward, tuple saved=None):
    """Makes a tensor of ``out`` and writes down how a gradient flows back from it.

    out       the result: an array, a number, or a tensor without history
    parents   the tensors it was computed from (None stands for an argument left out)
    backward  ``backward(y, dy)`` returns the gradient of every parent, in their order: a tensor, or None for zero; one
              parent needs no tuple. ``y`` is the output, ``dy`` its gradient. Written in operations on tensors it can
              itself be differentiated. A gradient larger than its parent is summed over the dimensions that were
              broadcast.
    saved     the tensors whose values backward reads, and OUTPUT if it reads ``y`` (else ``y`` is None). They are
              watched: if one is changed in place before backward runs, it raises. By default all of them are.

    Nothing is written down when no parent requires a gradient, or inside ``no_grad``.
    """
    cdef Tensor y = wrap(out if isinstance(out, ndarray) else out.array if isinstance(out, Tensor) else np.asarray(out))
    cdef Tensor p
    cdef bint wanted = False
    if get_mode() != RECORDING:
        return y
    for p in parents:
        if p is not None:
            refresh(p)
            wanted = wanted or p.requires
    if wanted and is_real(y.array):
        y.requires = True
        y.node = new_node(y, parents, backward, parents + (OUTPUT,) if saved is None else saved)
    return y


cdef Node new_node(Tensor y, tuple parents, object backward, tuple saved):
    cdef Node node = Node.__new__(Node)
    cdef Tensor p
    node.inputs = tuple([edge(p) for p in parents])
    node.backward = backward
    node.shape = shape_of(y.array)
    node.type_num = PyArray_TYPE(y.array)
    node.saved = saved
    for s in saved:
        if s is OUTPUT:
            node.output = wrap(y.array)
            node.output.version = version_of(y)
        elif s is not None:
            p = s
            if p.inference:
                raise RuntimeError(f"{node.operation()}: a tensor made in inference_mode cannot be saved for backward; "
                                   "use no_grad instead, or clone it outside")
            node.versions += version_of(p).count
    return node


cdef object edge(Tensor p):
    """Where p's gradient goes: the node that made it, or the leaf itself."""
    if p is None or not p.requires:
        return None
    return p.node if p.node is not None else p


cdef Tensor record_view(ndarray out, Tensor x, object backward, tuple replay):
    """``record`` for an output on x's own memory. ``replay`` is (operation, *arguments), which makes it anew."""
    cdef Tensor y = record(out, (x,), backward, ())
    y.version = version_of(x)
    y.inference = x.inference
    if get_mode() == RECORDING:
        y.source, y.replay, y.seen = x, replay, y.version.count
    return y


# ---- changing in place -----------------------------------------------------------------------------------------------

cdef int touch(Tensor x) except -1:
    """Asks whether x may be changed in place now."""
    cdef Tensor root = x
    cdef int i
    for i in range(PyArray_NDIM(x.array)):
        if PyArray_STRIDES(x.array)[i] == 0 and PyArray_DIMS(x.array)[i] > 1 and PyArray_SIZE(x.array):
            raise RuntimeError(f"in-place: an expanded tensor of shape {x.shape} has one element in several places; "
                               "clone it first")
    if not PyArray_ISWRITEABLE(x.array):
        raise RuntimeError(f"in-place: the memory of a tensor of shape {x.shape} is read-only; clone it first")
    if x.inference and not get_mode() & INFERENCE:
        raise RuntimeError("a tensor made in inference_mode can only be changed in place inside it; clone it first")
    if get_mode() != RECORDING:
        return 0
    refresh(x)
    while root.source is not None:
        root = root.source
    if root.requires and root.node is None:
        raise RuntimeError(f"a {'view of a ' if x is not root else ''}leaf tensor that requires grad is being changed in "
                           "place; do it inside tinyrnn.no_grad()")
    return 0


cdef Tensor before(Tensor x):
    """x as it is now, for the operation that will change it: the same values, the same history, another object."""
    cdef Tensor old = wrap(x.array)
    touch(x)
    old.version, old.requires, old.node, old.inference = version_of(x), x.requires, x.node, x.inference
    return old


cdef Tensor overwrite(Tensor x, Tensor old, Tensor new):
    """Writes new's values into x's memory and gives x new's history. ``old = before(x)`` is what x was.

    If the operation saved x's old values, they are copied out of the way first.
    """
    if not same_shape(x.array, new.array):
        raise ShapeError(f"in-place: a result of shape {new.shape} does not fit into {x.shape}")
    if PyArray_TYPE(x.array) != PyArray_TYPE(new.array):
        raise DtypeError(f"in-place: a result of dtype {new.dtype} does not fit into {x.dtype}")
    if new.node is not None and any([s is old for s in new.node.saved]):
        new.node.versions -= old.version.count * sum([s is old for s in new.node.saved])
        old.array, old.version = old.array.copy(), None
    x.array[...] = new.array
    rebase(x, new)
    return x


cdef int rebase(Tensor x, Tensor new) except -1:
    """x's memory now holds new's values: x, and whatever x is a view of, get the history that goes with them."""
    cdef Tensor root = x
    changed(x)
    if get_mode() != RECORDING:
        return 0
    if x.source is None:
        x.node, x.requires = new.node, new.requires
        return 0
    path = []
    while root.source is not None:
        path.append(root.replay)
        root = root.source
    if new.requires or root.requires:
        root.node = written(root, new, path[::-1]).node
        root.requires = True
    return 0


cdef Tensor written(Tensor root, Tensor new, list path):
    """The history of ``root`` after the part of it that ``path`` leads to was replaced by ``new``."""
    def part(x):
        for operation, *arguments in path:
            x = operation(x, *arguments)
        return x

    def backward(y, dy):
        rest = dy.clone()
        part(rest).zero_()
        return rest, part(dy)
    return record(root.array, (root, new), backward, ())


def in_place(operation):
    """The operation that does the same to its first argument in place: ``add_`` from ``add``."""
    def method(input, *args, **kwargs):
        cdef Tensor old = before(input)
        return overwrite(input, old, operation(old, *args, **kwargs))
    method.__module__ = operation.__module__
    method.__name__ = method.__qualname__ = operation.__name__ + "_"
    method.__doc__ = f"In-place {operation.__name__}: the result replaces the values of the tensor, which is returned."
    return method
