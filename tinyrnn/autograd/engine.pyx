"""The engine: what an operation writes down when it runs.

An operation computes its output and calls ``record(out, parents, backward, saved)``. If a gradient is wanted for one
of the parents, the output gets a Node: the parents' own nodes, and the function ``backward(y, dy)``, which turns the
gradient of the output into one gradient for each parent. The pass itself is in ``graph.pyx``.

Three things make this work with in-place changes:

- every piece of memory has a version; a node remembers the versions of the tensors its backward will read (``saved``)
  and refuses to run on values that are no longer the ones it was recorded with;
- ``overwrite`` gives a changed tensor a new history, and its base too when it is a view;
- a view made before such a change renews its history when it is used next (``tensor.refresh``).
"""
from numpy cimport (
    PyArray_DIMS, PyArray_ISWRITEABLE, PyArray_NDIM, PyArray_SIZE, PyArray_STRIDES, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport adopt, is_real, same_shape, shape_of
from tinyrnn.autograd.tensor cimport (
    INFERENCE, RECORDING, Node, Part, Tensor, changed, follow, get_mode, refresh, version_of, wrap,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

OUTPUT = "output"

# ---- writing down ----------------------------------------------------------------------------------------------------

cpdef Tensor record(object out, tuple parents, object backward, tuple saved=None, bint adds=False):
    """Makes a tensor of ``out`` and writes down how a gradient flows back from it.

    out       the result: an array, a number, or a tensor, whose memory is then shared
    parents   the tensors it was computed from (None stands for an argument left out)
    backward  ``backward(y, dy)`` returns the gradient of every parent, in their order: a tensor, or None for zero; one
              parent needs no tuple. ``y`` is the output, ``dy`` its gradient. Written in operations on tensors it can
              itself be differentiated. A gradient larger than its parent is summed over the dimensions that were
              broadcast.
    saved     the tensors whose values backward reads, and "output" if it reads ``y`` (else ``y`` is None). They are
              watched: if one is changed in place before backward runs, it raises. By default all of them are.
    adds      backward is called ``backward(y, dy, sums)``: for every parent the gradient from its other uses, if nobody
              else sees it, or None. It may add to it and return it, instead of a tensor to be added. ``sums`` is None
              while the pass itself is recorded.

    Nothing is written down when no parent requires a gradient, or inside ``no_grad``.
    """
    cdef Tensor y, p
    cdef bint wanted = False
    if isinstance(out, Tensor):
        y = wrap((<Tensor> out).array)
        share(y, out)
    else:
        y = wrap(adopt(out))
    if get_mode() != RECORDING:
        return y
    for p in parents:
        if p is not None:
            refresh(p)
            wanted = wanted or p.requires
    if wanted and is_real(y.array):
        y.requires = True
        y.node = new_node(y, parents, backward, parents + (OUTPUT,) if saved is None else saved)
        y.node.adds = adds
    return y


cdef int share(Tensor y, Tensor out) except -1:
    """y is on out's memory; where out has a history, in-place changes of y are refused: they could not be in it."""
    y.version = version_of(out)
    if out.requires or out.source is not None:
        y.source, y.seen = out, y.version.count
    return 0


def record_many(tuple outs not None, tuple parents not None, backward, tuple saved not None, bint adds=False):
    """``record`` for an operation with several outputs: returns a tuple of them.

    ``backward(y, dys)`` gets a dict with the gradients that arrived, by the number of the output. ``y`` is None: an
    output whose values backward reads is saved as it came, in ``outs``, and gets its history from ``output_of``.
    With ``adds`` it is called ``backward(y, dys, sums)``.
    As with ``record``, nothing is written down when no parent requires a gradient, or inside ``no_grad``.
    """
    cdef Tensor token = Tensor.__new__(Tensor), p
    cdef bint wanted = False
    if get_mode() == RECORDING:
        for p in parents:
            if p is not None:
                refresh(p)
                wanted = wanted or p.requires
    if not wanted:
        return tuple([record(out, (), None) for out in outs])
    token.requires = True
    token.node = new_node(token, parents, backward, saved)
    token.node.shape, token.node.adds = None, adds
    return tuple([output_of(token.node, k, out) for k, out in enumerate(outs)])


def output_of(Node node not None, k, out):
    """Output number k of a node that ``record_many`` made."""
    cdef Tensor token = Tensor.__new__(Tensor)
    token.node, token.requires = node, True

    def backward(y, dy):
        return Part(dy, k)
    backward.__qualname__ = node.operation()
    return record(out, (token,), backward, ())


cdef Node new_node(Tensor y, tuple parents, object backward, tuple saved):
    cdef Node node = Node.__new__(Node)
    cdef Tensor p
    node.inputs = edges(parents)
    node.backward = backward
    node.shape = shape_of(y.array)
    node.type_num = PyArray_TYPE(y.array)
    node.saved = saved
    for s in saved:
        if s is OUTPUT:
            node.output, node.output_version = y.array, version_of(y)
        elif s is not None:
            p = s
            if p.inference:
                raise RuntimeError(f"{node.operation()}: a tensor made in inference_mode cannot be saved for backward; "
                                   "use no_grad instead, or clone it outside")
            node.versions += version_of(p).count
    return node


def watch_anew(Node node not None):
    """What backward needs is as it should be now: it was the operation itself that changed it."""
    cdef Tensor p
    node.versions = 0
    for p in node.saved:
        if p is not None:
            node.versions += version_of(p).count


cdef tuple edges(tuple parents):
    cdef Tensor p
    for p in parents:
        if p is None or not p.requires or p.node is not None:
            break
    else:
        return parents                  # leaves all of them
    if len(parents) == 1:               # the two common cases need no list
        return (edge(parents[0]),)
    if len(parents) == 2:
        return (edge(parents[0]), edge(parents[1]))
    return tuple([edge(p) for p in parents])


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
    y.source, y.seen = x, y.version.count
    y.replay = replay if get_mode() == RECORDING else None
    return y


# ---- changing in place -----------------------------------------------------------------------------------------------

cdef int touch(Tensor x) except -1:
    """Asks whether x may be changed in place now."""
    cdef Tensor y = x
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
    while True:
        if y.requires and y.node is None:
            raise RuntimeError(f"a {'view of a ' if x is not y else ''}leaf tensor that requires grad is being changed "
                               "in place; do it inside tinyrnn.no_grad()")
        if y.source is None:
            return 0
        y = y.source


cpdef Tensor before(Tensor x):
    """x as it is now, for the operation that will change it: the same values, the same history, another object."""
    if x is None:
        raise TypeError("before: expected a tensor, not None")
    cdef Tensor old = wrap(x.array)
    touch(x)
    old.version, old.requires, old.node, old.inference = version_of(x), x.requires, x.node, x.inference
    return old


cpdef Tensor overwrite(Tensor x, Tensor old, Tensor new):
    """Writes new's values into x's memory and gives x new's history. ``old = before(x)`` is what x was.

    If the operation saved x's old values, they are copied out of the way first.
    """
    if x is None or old is None or new is None:
        raise TypeError("overwrite: expected three tensors, not None")
    if not same_shape(x.array, new.array):
        raise ShapeError(f"in-place: a result of shape {new.shape} does not fit into {x.shape}")
    if PyArray_TYPE(x.array) != PyArray_TYPE(new.array):
        raise DtypeError(f"in-place: a result of dtype {new.dtype} does not fit into {x.dtype}")
    cdef Node node = new.node
    way(x, new)
    if node is not None and any([s is old for s in node.saved]):
        node.versions -= old.version.count * sum([s is old for s in node.saved])
        old.array, old.version = old.array.copy(), None
    x.array[...] = new.array
    rebase(x, new)
    if node is not None and node.output is new.array:
        node.output, node.output_version = x.array, x.version               # the copy is not needed any more
        node.versions += x.version.count
    return x


cdef list way(Tensor x, Tensor new):
    """The steps (operation, *arguments) from the tensor that x is a view of to x, which is to get new's history."""
    cdef Tensor root = x
    cdef list path = []
    if get_mode() != RECORDING:
        return path
    while root.source is not None:
        path.append(root.replay)
        root = root.source
    if None in path and (new.requires or root.requires):
        raise RuntimeError("in-place: the tensor is a view that was made in no_grad mode, so its base cannot get a "
                           "history; make the view outside, or change it inside tinyrnn.no_grad()")
    return path[::-1]


cdef int rebase(Tensor x, Tensor new, bint hidden=False) except -1:
    """x's memory now holds new's values: x, or the tensor it is a view of, gets the history that goes with them.
    hidden: x is a view that nobody will see again, so it needs none of its own."""
    cdef Tensor root = x
    cdef list path = way(x, new)
    changed(x)
    if get_mode() != RECORDING:
        return 0
    if x.source is None:
        x.requires = new.requires
        return follow(x, new.node)
    while root.source is not None:
        root = root.source
    if new.requires or root.requires:
        follow(root, written(root, new, path).node)
        root.requires = True
        if not hidden:                  # while the root has this history: detach_() may take it away
            refresh(x)
    return 0


cdef Tensor written(Tensor root, Tensor new, list path):
    """The history of ``root`` after the part of it that ``path`` leads to was replaced by ``new``."""
    cdef object axes = np.argsort(np.negative((<object> root.array).strides), kind="stable")

    def backward(y, dy):
        rest = copied(dy, axes)
        along(rest, path).zero_()
        return rest, along(dy, path)
    return record(root.array, (root, new), backward, ())


cdef Tensor along(Tensor x, list path):
    """The part of x that the path leads to."""
    for operation, *arguments in path:
        x = operation(x, *arguments)
    return x


cdef Tensor copied(Tensor x, object axes):
    """A copy of x with its axes in this order in memory: what is a view in one layout may need a copy in another."""
    def backward(y, dy):
        return dy
    out = x.array.transpose(axes).copy().transpose(np.argsort(axes))
    return record(out, (x,), backward, ())


def in_place(operation):
    """The operation that does the same to its first argument in place: ``add_`` from ``add``."""
    def method(Tensor input not None, *args, **kwargs):
        cdef Tensor old = before(input)
        return overwrite(input, old, operation(old, *args, **kwargs))
    method.__module__ = operation.__module__
    method.__name__ = method.__qualname__ = operation.__name__ + "_"
    method.__wrapped__ = operation          # so it has the operation's signature
    method.__doc__ = f"In-place {operation.__name__}: the result replaces the values of the tensor, which is returned."
    return method
