"""Each operation of ``table_of_operations``, checked in the same ways beside PyTorch; and none may be missing there."""
import numpy as np
import pytest
import torch
from autograd.table_of_operations import LINES, PLACES, WITHOUT_GRADIENT

import tinyrnn
from tinyrnn.autograd import grad, gradcheck, gradgradcheck
from tinyrnn.autograd.methods import operations

torch.set_num_threads(1)

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, ZeroDivisionError, AssertionError)

# What has no gradient by its nature, or makes a tensor from none. All of it has tests of its own.
NO_GRADIENT = set("""
    arange as_tensor bernoulli BoolTensor cuda data_ptr device DoubleTensor empty empty_like exponential_ eye
    FloatTensor from_numpy full int is_cuda is_tensor item linspace LongTensor multinomial new_empty new_full new_ones
    new_tensor new_zeros normal numpy ones rand rand_like randint randint_like randn randn_like random_ randperm
    register_hook requires_grad_ retain_grad retains_grad tensor uniform_ zeros
""".split())

# What the engine and the operators of Tensor need, and PyTorch does not have under that name.
INTERNAL = set("""
    array_of as_index backward deepcopy describe format grad leaf pickled
    Picked sizes_of sum_to to_array use
""".split())

# PyTorch has the name at its top level too, as something else: a module, a dtype, or with other arguments.
ELSEWHERE = {"cpu", "cuda", "embedding", "int"}

# With integers and truth values PyTorch answers, and we say no: a sum of truth values is no truth value.
STRICTER = {("add", "bool"), ("index_add", "bool"), ("scatter_add", "bool")}


def each(lines):
    return pytest.mark.parametrize("line", [pytest.param(x, id=f"{x.name}-{i}") for i, x in enumerate(lines)])


class Functions:
    """A framework's names: those of nn.functional, of the package, and the methods of Tensor, in this order."""

    def __init__(self, package):
        self.places = (package.nn.functional, package, package.Tensor)

    def __getattr__(self, name):
        return next(getattr(place, name) for place in self.places if hasattr(place, name))


class Methods(Functions):
    """The same names, called as methods of their first argument where Tensor has one: F.exp(x) is x.exp()."""

    suffix, before = "", staticmethod(lambda x: x)

    def __getattr__(self, name):
        function, tensor, method = super().__getattr__(name), self.places[-1], name + self.suffix
        if not hasattr(tensor, method) or name == "where":      # x.where(condition, y): another order
            return function

        def call(x, *args, **kwargs):
            return getattr(self.before(x), method)(*args, **kwargs) if isinstance(x, tensor) else \
                function(x, *args, **kwargs)
        return call


class InPlace(Methods):
    """The same names with an underscore where there are such methods: F.exp(x) is x.clone().exp_()."""

    suffix, before = "_", staticmethod(lambda x: x.clone())


def values(shape, domain, seed, dtype):
    random = np.random.default_rng(seed)
    if dtype == "int64":
        return np.asarray(1 + random.permutation(int(np.prod(shape))).reshape(shape))       # no ties
    if dtype == "bool":
        return np.asarray(random.random(shape) < 0.5)
    return np.asarray(random.standard_normal(shape) if domain == "normal" else 0.5 + random.random(shape), dtype)


def spaced(array):
    """The same values, as a transposed view of every second element of a larger array."""
    return np.repeat(array.T, 2, 0)[::2].T if array.ndim else array.copy()


def results(outcome):
    return list(outcome) if isinstance(outcome, (tuple, list)) else [outcome]


def outcome(F, line, xs, grad, leaf):
    """The results and the gradients of all inputs; None where the call or its backward raises."""
    try:
        return results_and_gradients(F, line, xs, grad, leaf)
    except REFUSALS:
        return None


def results_and_gradients(F, line, xs, grad, leaf):
    ys = results(line.call(F, *xs))
    reals = [y for y in ys if getattr(y, "requires_grad", False)]
    seeds = [leaf(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)), y.dtype) for y in reals]
    grads = grad(reals, xs, seeds, allow_unused=True) if reals else ()
    zeros = [leaf(np.zeros(tuple(x.shape)), x.dtype) for x in xs]
    return ys + [z if g is None else g for g, z in zip(grads, zeros, strict=True)] if reals else ys


def our_leaf(array, dtype):
    return tinyrnn.tensor(array, dtype=dtype)


def their_leaf(array, dtype):
    return torch.tensor(array, dtype=dtype)


def compare(line, arrays, names=Functions, layout=np.copy, differentiable=True):
    """Whether there was something to compare: where PyTorch raises, so must we."""
    want = differentiable and arrays[0].dtype.kind == "f"
    ours = [tinyrnn.from_numpy(layout(a)).requires_grad_(want) for a in arrays]
    theirs = [torch.from_numpy(layout(a)).requires_grad_(want) for a in arrays]
    got = outcome(names(tinyrnn), line, ours, grad, our_leaf)
    wanted = outcome(names(torch), line, theirs, torch.autograd.grad, their_leaf)
    if wanted is None and not want:                     # some of PyTorch's loops lack integers or truth values
        return False
    assert (got is None) == (wanted is None), f"{'we' if got is None else 'PyTorch'} raised"
    for k, (a, b) in enumerate(zip(got or (), wanted or (), strict=True)):
        assert_same(a, b, f"result or gradient {k}")
    return got is not None


def assert_same(a, b, what):
    if not isinstance(b, torch.Tensor):
        assert a == b, what
        return
    a, b = a.detach().numpy(), b.detach().numpy()
    assert a.dtype == b.dtype and a.shape == b.shape, (what, a.dtype, a.shape, b.dtype, b.shape)
    tolerance = TOLERANCE.get(a.dtype.name, 0)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def arrays_of(line, dtype="float64", shapes=None):
    return [values(s, line.domain, k, dtype) for k, s in enumerate(line.shapes if shapes is None else shapes)]


# ---- with gradients --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", TOLERANCE)
@each(LINES)
def test_values_and_gradients(line, dtype):
    assert compare(line, arrays_of(line, dtype))


@each([x for x in LINES if hasattr(tinyrnn.Tensor, x.name)])
def test_as_a_method(line):
    assert compare(line, arrays_of(line), Methods)


@each([x for x in LINES if hasattr(tinyrnn.Tensor, x.name + "_")])
def test_in_place(line):
    assert compare(line, arrays_of(line), InPlace)


@each(LINES)
def test_inputs_with_gaps(line):
    compare(line, arrays_of(line), layout=spaced)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning", "ignore:.*deprecated on 0-D:UserWarning")
@each(LINES)
def test_no_elements_and_no_dimensions(line):
    """The first input without rows; without columns; all inputs without dimensions; and what the line says."""
    first, *rest = line.shapes
    small = [line.empty or line.shapes, ((0, *first[1:]), *rest), ((*first[:-1], 0), *rest), ((),) * len(line.shapes)]
    if line.name == "mT":                               # PyTorch lets it pass, with a warning that it will not
        small.pop()
    compared = [compare(line, arrays_of(line, shapes=shapes)) for shapes in small]
    assert line in PLACES or any(compared[0 if line.empty else 1:])


@pytest.mark.parametrize("names", [Functions, InPlace])
@each(LINES)
def test_views_of_memory_that_has_got_a_history_since(line, names):
    """They are looked at anew: the gradients are those of what was written there."""
    def gradients(inputs_of):
        leaves = [tinyrnn.from_numpy(a).requires_grad_() for a in arrays_of(line)]
        ys = [y for y in results(line.call(names(tinyrnn), *inputs_of(leaves))) if getattr(y, "requires_grad", False)]
        return grad(ys, leaves, [tinyrnn.ones_like(y) for y in ys], allow_unused=True)

    def views(leaves):
        memory = [tinyrnn.zeros(2, *x.shape, dtype=x.dtype) for x in leaves]
        before = [m[0] for m in memory]
        for m, x in zip(memory, leaves, strict=True):
            m[0] = x
        return before
    for a, b in zip(gradients(views), gradients(list), strict=True):
        assert (a is None) == (b is None)
        np.testing.assert_array_equal(a if a is None else a.numpy(), b if b is None else b.numpy())


@each([x for x in LINES if x.smooth])
def test_gradients_against_differences(line):
    xs = [tinyrnn.from_numpy(a).requires_grad_() for a in arrays_of(line)]

    def call(*xs):
        return line.call(Functions(tinyrnn), *xs)
    assert gradcheck(call, xs)
    assert gradgradcheck(call, xs)


# ---- without ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
@each(WITHOUT_GRADIENT)
def test_without_gradient(line, dtype):
    compare(line, arrays_of(line, dtype), differentiable=False)


@pytest.mark.parametrize("dtype", ["int64", "bool"])
@each(LINES)
def test_integers_and_truth_values(line, dtype):
    if (line.name, dtype) not in STRICTER:
        compare(line, arrays_of(line, dtype))


# ---- nothing is missing ----------------------------------------------------------------------------------------------

def in_place_twin(name):
    return name.endswith("_") and name[:-1] in operations


def test_every_operation_has_a_line():
    here = {x.name for x in LINES + WITHOUT_GRADIENT}
    public = {name for name in operations if not in_place_twin(name)}
    assert public - here - NO_GRADIENT - INTERNAL == set()
    assert (NO_GRADIENT | INTERNAL) - public == set()
    assert (NO_GRADIENT | INTERNAL) & here == set()


@pytest.mark.parametrize("place", ["", "Tensor", "nn.functional"])
def test_each_is_where_pytorch_has_it(place):
    def names(package):
        for part in filter(None, place.split(".")):
            package = getattr(package, part)
        return {name for name in operations if hasattr(package, name)}
    changing = {name for name in operations if name.endswith("_")}          # methods here, functions too in PyTorch
    wanted = names(torch) - INTERNAL - (changing | ELSEWHERE if not place else set())
    assert wanted - names(tinyrnn) == set()
    assert place or ELSEWHERE <= names(torch)
