"""The backward pass: it walks the recorded operations from the outputs to the leaves, once each.

``run`` first counts how many gradients will arrive at every node, then visits a node as soon as all of them have
reported: no recursion, so the length of a chain is limited by memory alone. What arrives at a leaf becomes its
``.grad``. Values that a node saved are freed when it has been visited.
"""
from numpy cimport NPY_ARRAY_CARRAY, NPY_ARRAY_C_CONTIGUOUS, PyArray_CHKFLAGS, PyArray_NDIM, PyArray_TYPE, import_array

from tinyrnn.autograd.arrays cimport accumulate, adopt, has_shape, same_shape, shape_of
from tinyrnn.autograd.deferred cimport Product, joined, settled
from tinyrnn.autograd.engine cimport OUTPUT, edge
from tinyrnn.autograd.tensor cimport RECORDING, Node, Part, Tensor, changed, get_mode, owned, refresh, set_mode, wrap

import weakref

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.handle import RemovableHandle

import_array()

cdef dict ops = None                # the operations, once they are loaded: the pass adds, sums and copies with them


def use(dict operations):
    """Ties the knot: the operations, of which the pass itself needs some."""
    global ops
    ops = operations


# ---- the pass --------------------------------------------------------------------------------------------------------

cdef dict count_uses(list roots, bint everywhere):
    """How many gradients will arrive at every node or leaf below the roots; ``everywhere``: every node will be run."""
    cdef dict uses = {}
    cdef list stack = list(dict.fromkeys(roots))
    cdef Node node
    for x in stack:
        uses[x] = 0
    while stack:
        x = stack.pop()
        if isinstance(x, Tensor):
            continue
        node = x
        if everywhere:
            alive(node)
        for i in node.inputs:
            if i in uses:
                uses[i] += 1
            elif i is not None:
                uses[i] = 1
                stack.append(i)
    return uses


cdef int alive(Node node) except -1:
    if node.saved is None:
        raise RuntimeError(
            f"{node.operation()}: this part of the graph was freed by an earlier backward. If it is a state carried "
            "over from the step before, detach() it; to walk one graph twice, pass retain_graph=True the first time")
    return 0


cdef dict run(list roots, list seeds, set targets, bint retain, bint create):
    """The backward pass. Returns the gradients of ``targets``; without targets leaves collect theirs in .grad."""
    cdef dict uses = count_uses(roots, targets is None), grads = {}, found = {}
    cdef list ready, late = []
    cdef set needed = None if targets is None else leads_to(targets, uses)
    cdef int mode = set_mode(RECORDING if create else 0)
    try:
        for root, seed in zip(roots, seeds):
            collect(grads, root, seed, None)
        ready = [root for root in dict.fromkeys(roots) if uses[root] == 0]
        while ready:
            x = ready.pop()
            dy = settled(grads.pop(x, None))
            if isinstance(dy, Tensor) and (targets is None or x in needed or x in targets):
                dy = call_hooks(x, dy)
            if targets is not None and x in targets:
                found[x] = dy
            if isinstance(x, Node):
                if needed is None or x in needed:
                    visit(x, dy, uses, grads, ready)
                    if not retain and (<Node> x).saved:
                        free(x)
            elif targets is None and dy is not None:
                deposit(x, dy, create, late)
        for x, dy in late:
            deposit(x, dy, create, None)
    finally:
        set_mode(mode)
    return found


cdef set leads_to(set targets, dict uses):
    """The nodes above the targets: a pass for a few inputs runs and frees these alone."""
    cdef set needed = set()
    cdef dict users = {}
    cdef list stack = list(targets)
    for x in uses:
        if isinstance(x, Node):
            for i in (<Node> x).inputs:
                if i is not None:
                    users.setdefault(i, []).append(x)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in needed:
                alive(user)
                needed.add(user)
                stack.append(user)
    return needed


cdef int visit(Node node, object dy, dict uses, dict grads, list ready) except -1:
    """Calls a node's backward and hands the gradients to its inputs."""
    cdef tuple sums = waiting(node, grads) if node.adds and dy is not None and get_mode() == 0 else None
    cdef tuple results = () if dy is None else gradients(node, dy, sums)
    cdef Py_ssize_t k
    for k, i in enumerate(node.inputs):
        if i is not None:
            if sums is not None and sums[k] is not None:
                grads[i] = sums[k]
            if results and results[k] is not None and (sums is None or results[k] is not sums[k]):
                collect(grads, i, results[k], node)
            uses[i] -= 1
            if uses[i] == 0:
                ready.append(i)
    return 0


cdef tuple waiting(Node node, dict grads):
    """For every input the gradient that waits for it, taken out of ``grads``, if nobody else can see it."""
    cdef list sums = []
    cdef Tensor sum
    for i in node.inputs:
        sum = None
        if i is not None and isinstance(grads.get(i), Tensor):
            sum = grads.pop(i)
            if not owned(sum):
                grads[i], sum = sum, None
        sums.append(sum)
    return tuple(sums)


cdef tuple gradients(Node node, object dy, tuple sums):
    """What the node's own backward returns, if all that it reads is as it was."""
    cdef Tensor y = None, s
    cdef long versions = 0
    for saved in node.saved:
        if saved is not OUTPUT and saved is not None:
            s = saved
            versions += 0 if s.version is None else s.version.count
    if node.output is not None:
        versions += node.output_version.count
    if versions != node.versions:
        what = "an output" if node.shape is None else f"a tensor of shape {node.shape}"
        raise RuntimeError(f"{node.operation()}: {what} or an input that its backward needs was changed in place after "
                           "it was computed; clone it before the change")
    if node.output is not None:
        y = wrap(node.output)
        y.node, y.requires, y.version = node, True, node.output_version
    results = node.backward(y, dy, sums) if node.adds else node.backward(y, dy)
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(node.inputs):
        raise RuntimeError(f"{node.operation()}: backward returned {len(results)} gradients "
                           f"for {len(node.inputs)} inputs")
    return results


cdef int collect(dict grads, object x, object g, Node by) except -1:
    """Adds g, which the backward of ``by`` returned, to the gradient that is waiting for x."""
    cdef tuple shape = (<Node> x).shape if isinstance(x, Node) else shape_of((<Tensor> x).array)
    cdef int type_num = (<Node> x).type_num if isinstance(x, Node) else PyArray_TYPE((<Tensor> x).array)
    cdef bint part = isinstance(g, Part)
    if isinstance(g, Product):
        grads[x] = joined(grads.pop(x, None), g)
        return 0
    if shape is None:
        return collect_output(grads, x, g)
    cdef Tensor sum, new = (<Part> g).values if part else g if isinstance(g, Tensor) else wrap(adopt(g))
    if PyArray_TYPE(new.array) != type_num:
        raise DtypeError(f"{name_of(by)}: a gradient of dtype {new.dtype} arrived for another dtype")
    if part:
        return collect_part(grads, x, g, shape)
    new = new if has_shape(new.array, shape) else summed(new, shape, by)
    sum = settled(grads.pop(x, None))
    if sum is None:
        sum = new
    elif get_mode() == 0 and owned(sum):
        accumulate(sum.array, new.array)
    else:
        sum = ops["add"](sum, new)
    grads[x] = sum
    return 0


cdef Tensor summed(Tensor g, tuple shape, Node by):
    """A gradient in the shape to which an input of ``by`` was broadcast, summed to the input's own."""
    cdef int extra = PyArray_NDIM(g.array) - len(shape)
    if extra < 0 or any([n != 1 and n != m for n, m in zip(shape, g.shape[extra:])]):
        raise ShapeError(f"{name_of(by)}: a gradient of shape {g.shape} arrived for a tensor of shape {shape}")
    return ops["sum_to"](g, shape)


cdef int collect_part(dict grads, object x, Part g, tuple shape) except -1:
    """Adds a gradient that is zero outside one part to the one that is waiting for x: only that part is touched."""
    cdef Tensor sum = settled(grads.pop(x, None)), whole, part
    if get_mode() == 0 and sum is not None and owned(sum):
        whole = sum
    else:
        whole = wrap(np.zeros(shape, g.values.array.dtype))
        if get_mode() == 0 and sum is not None:
            accumulate(whole.array, sum.array)
    part = g.replay[0](whole, *g.replay[1:])
    if get_mode() == 0:
        add_into(part, g.values)
        part = whole.version = None         # nobody else has seen it
    else:
        part.copy_(g.values)
        whole = whole if sum is None else ops["add"](sum, whole)
    grads[x] = whole
    return 0


cdef int collect_output(dict grads, Node x, Part g) except -1:
    """The same for a node with several outputs: its gradients wait in a dict, by the number of the output."""
    cdef dict sums = grads.setdefault(x, {})
    cdef object k = g.replay[0]
    sums[k] = ops["add"](sums[k], g.values) if k in sums else g.values


cdef int deposit(Tensor leaf, Tensor dy, bint create, list late) except -1:
    """Adds dy to leaf.grad; the first is kept as it is if nobody else has it. The sum is taken away meanwhile: a pass
    of another thread leaves its own, to be added next. A .grad with a history, which others may read, waits in late."""
    if not leaf.requires:
        return 0
    if late is not None and not create and leaf.gradient is not None and leaf.gradient.requires:
        late.append((leaf, dy))
        return 0
    cdef str copy = "clone" if PyArray_CHKFLAGS(dy.array, NPY_ARRAY_C_CONTIGUOUS) else "contiguous"
    cdef Tensor new = dy if leaf.gradient is not None or owned(dy) else ops[copy](dy)
    while (sum := leaf.gradient) is not None:
        leaf.gradient = None
        try:
            new = ops["add"](sum, new) if create else add_into(sum, new)
        except BaseException:
            leaf.gradient = sum
            raise
    leaf.gradient = new


cdef Tensor add_into(Tensor sum, Tensor g):
    changed(sum)
    if (PyArray_CHKFLAGS(sum.array, NPY_ARRAY_CARRAY) and same_shape(sum.array, g.array)
            and (owned(g) or not np.may_share_memory(sum.array, g.array))):
        accumulate(sum.array, g.array)
    elif any([sum.stride(d) == 0 and n > 1 for d, n in enumerate(sum.shape)]):
        raise RuntimeError(f"backward: elements of a .grad of shape {sum.shape} share their memory; give it a copy")
    else:
        sum.array[...] = ops["add"](sum, g).array
    return sum


cdef Tensor call_hooks(object x, Tensor dy):
    cdef dict hooks = (<Node> x).hooks if isinstance(x, Node) else (<Tensor> x).hooks
    for hook in () if hooks is None else list(hooks.values()):
        replaced = hook(dy)
        dy = dy if replaced is None else checked(replaced, dy)
    if isinstance(x, Node) and (<Node> x).retained is not None:
        if (kept := (<Node> x).retained()) is not None:
            kept.grad = ops["clone"](dy) if kept.grad is None else ops["add"](kept.grad, dy)
    return dy


cdef Tensor checked(object replaced, Tensor dy):
    """What a hook returned instead of dy."""
    if not isinstance(replaced, Tensor):
        raise TypeError(f"hook: expected a tensor or None, not {type(replaced).__name__}")
    if replaced.shape != dy.shape or replaced.dtype != dy.dtype:
        raise ShapeError(f"hook: a gradient of {dy.dtype} {dy.shape} was replaced by {replaced.dtype} {replaced.shape}")
    return replaced


cdef int free(Node node) except -1:
    node.backward = node.operation()         # only the name stays, for the error of a second pass
    node.saved = node.output = None          # the inputs stay: whether a pass needs this node is seen from them


cdef str name_of(Node by):
    return "backward" if by is None else by.operation()


# ---- the public face -------------------------------------------------------------------------------------------------

def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds the gradient of ``tensors`` to the ``.grad`` of the leaves they depend on (or of ``inputs`` alone).

    ``grad_tensors``: the gradients to start from, one a tensor; None stands for 1 and needs a single element.
    ``retain_graph``: keep what was saved, for another pass; the default is ``create_graph``, which records the pass
    itself so that its results can be differentiated again.
    """
    cdef list outputs = sequence(tensors), seeds = start(outputs, grad_tensors), roots
    cdef Tensor t
    roots, retain = [root_of(t) for t in outputs], create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, seeds, None, retain, create_graph)
        return
    if not (targets := sequence(inputs)):
        raise RuntimeError("backward: inputs is empty")
    found = run(roots, seeds, {root_of(t) for t in targets}, retain, create_graph)
    for t in dict.fromkeys(targets):
        if (g := found.get(edge(t))) is not None and not t.retains:         # one that retains it has got it on the way
            deposit(t, g, create_graph, None)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None,
         materialize_grads=False):
    """The gradients of the (summed) ``outputs`` with respect to ``inputs``, as a tuple; ``.grad`` is left alone.

    An input that the outputs do not depend on raises, gives None with ``allow_unused=True``, or zeros with
    ``materialize_grads=True``. The other arguments are those of :func:`backward`.
    """
    cdef list given = sequence(outputs), targets = sequence(inputs), roots, result = []
    cdef Tensor t
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused=True or None")
    seeds, roots = start(given, grad_outputs), [root_of(t) for t in given]
    retain = create_graph if retain_graph is None else retain_graph
    found = run(roots, seeds, {root_of(t) for t in targets}, retain, create_graph)
    for t in targets:
        g = found.get(edge(t))
        if g is None and materialize_grads:
            g = wrap(np.zeros(shape_of(t.array), t.array.dtype))
        elif g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on an input of shape {t.shape}; "
                               "pass allow_unused=True to get None for it")
        result.append(g)
    return tuple(result)


cdef list sequence(object x):
    cdef list items = [x] if isinstance(x, Tensor) else list(x)
    for item in items:
        if not isinstance(item, Tensor):
            raise TypeError(f"backward: expected tensors, not {type(item).__name__}")
    return items


cdef object root_of(Tensor t):
    refresh(t)
    if not t.requires:
        raise RuntimeError(f"backward: a tensor of shape {t.shape} does not require grad, nor was it made from one")
    return edge(t)


cdef list start(list outputs, object seeds):
    """The gradients that the pass starts from."""
    cdef Tensor t, g
    cdef list result = []
    given = [None] * len(outputs) if seeds is None else [seeds] if isinstance(seeds, Tensor) else list(seeds)
    if len(given) != len(outputs):
        raise RuntimeError(f"backward: {len(outputs)} tensors but {len(given)} gradients to start from")
    for t, g in zip(outputs, given):
        if g is None:
            if t.array.size != 1:
                raise RuntimeError(f"backward: a gradient to start from is implied for one element, not for {t.shape}")
            g = wrap(np.ones(shape_of(t.array), t.array.dtype))
        elif not same_shape(g.array, t.array):          # the dtype is checked on arrival
            raise ShapeError(f"backward: a gradient of shape {g.shape} for a tensor of shape {t.shape}")
        result.append(g)
    return result


def register_hook(Tensor self not None, hook):
    """Calls ``hook(grad)`` when the gradient of this tensor is known; what it returns, if anything, replaces it.
    Returns a handle whose ``remove()`` takes the hook away again."""
    cdef dict hooks
    refresh(self)
    if not self.requires:
        raise RuntimeError("register_hook: the tensor does not require grad")
    if self.node is None:
        self.hooks = hooks = {} if self.hooks is None else self.hooks
    else:
        self.node.hooks = hooks = {} if self.node.hooks is None else self.node.hooks
    return RemovableHandle(hooks, hook)


def retain_grad(Tensor self not None):
    """Lets a tensor that is no leaf keep its gradient in ``.grad``."""
    refresh(self)
    if not self.requires:
        raise RuntimeError("retain_grad: the tensor does not require grad")
    if self.node is not None:
        self.retains = True
        self.node.retained = weakref.ref(self)


def retains_grad(Tensor self not None):
    return self.retains
