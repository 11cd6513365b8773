"""The one knot: Tensor lives below the operations, yet ``x.exp()`` and ``x + y`` need them.

When this module loads, all operations exist. It hands them down: to Tensor, for its operators and methods, and to the
backward pass, for the sums it makes. A function whose first argument is called ``input``, ``self`` or ``tensor``
becomes a method.
"""

from tinyrnn.autograd import (
    creation,
    graph,
    ops_activations,
    ops_arithmetic,
    ops_convert,
    ops_einsum,
    ops_embedding,
    ops_extreme,
    ops_functions,
    ops_gather,
    ops_index,
    ops_join,
    ops_linalg,
    ops_memory,
    ops_reduce,
    ops_scan,
    ops_shape,
    ops_softmax,
    ops_sort,
    randomness,
    tensor,
)

FAMILIES = (
    graph, ops_arithmetic, ops_functions, ops_activations, ops_memory, ops_shape, ops_join, ops_index,
    ops_gather, ops_embedding, ops_reduce, ops_extreme, ops_scan, ops_softmax, ops_sort, ops_linalg, ops_einsum,
    ops_convert, creation, randomness,
)

# Functions of a tensor that PyTorch does not have as methods.
FUNCTIONS_ONLY = {
    "linear", "bilinear", "var_mean", "softmin", "embedding", "dropout", "pad", "one_hot", "logsigmoid", "softsign",
    "hardtanh", "hardtanh_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "softplus", "silu", "silu_", "gelu",
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like",
}

# What Python's own protocols (indexing, printing, copying, ...) and the backward pass call; no methods of PyTorch's.
PROTOCOLS = {"getitem", "setitem", "as_index", "to_array", "describe", "format", "pickled", "deepcopy", "sum_to"}

NO_METHODS = FUNCTIONS_ONLY | PROTOCOLS

# Functions of one tensor that are read like attributes: ``x.T``.
PROPERTIES = {"T", "mT", "device", "is_cuda", "retains_grad"}


def operations_of(module):
    """The public functions defined in a module, by name."""
    return {name: f for name, f in vars(module).items()
            if not name.startswith("_") and callable(f) and getattr(f, "__module__", None) == module.__name__}


def is_method(name, function):
    code = getattr(function, "__code__", None)
    first = code.co_varnames[:1] if code else ()
    return name not in NO_METHODS and first in (("input",), ("self",), ("tensor",))


def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """:func:`tinyrnn.autograd.backward` from this tensor: adds its gradient to the ``.grad`` of the leaves."""
    return graph.backward(self, gradient, retain_graph, create_graph, inputs)


def where(self, condition, other):
    """This tensor's elements where the condition holds, else the other's: ``tinyrnn.where(condition, self, other)``."""
    return ops_gather.where(condition, self, other)


operations = {name: f for module in FAMILIES for name, f in operations_of(module).items()}
methods = {name: property(f) if name in PROPERTIES else f for name, f in operations.items() if is_method(name, f)}
methods |= {"backward": backward, "where": where}

tensor.adopt(operations, methods)
graph.use(operations)
