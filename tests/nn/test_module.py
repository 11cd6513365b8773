"""Module beside torch.nn.Module: the same class body in both frameworks, the same answers."""
import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from nn_helpers import assert_same, leaf, plain, transfer

from tinyrnn import nn

BOTH = [nn, torch.nn]


def tensor(library, array):
    ours, theirs = leaf(np.asarray(array), False)
    return ours if library is nn else theirs


def model(library):
    """Parameters, buffers, shared parts and empty places at several levels."""
    class Inner(library.Module):
        def __init__(self):
            super().__init__()
            self.linear = library.Linear(2, 3)
            self.register_buffer("count", tensor(library, [1.0, 2.0]))
            self.register_buffer("scratch", tensor(library, [5.0]), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("absent", None)

        def forward(self, x, scale=1):
            return self.linear(x) * scale

    class Outer(library.Module):
        def __init__(self):
            super().__init__()
            self.scale = library.Parameter(tensor(library, np.ones(3, np.float32)))
            self.first = Inner()
            self.again = self.first
            self.second = library.Sequential(library.Linear(3, 3, bias=False), library.Tanh())
            self.tied = self.second[0].weight
            self.empty = None
            self.register_module("hole", None)

        def forward(self, x):
            return self.second(self.first(x)) * self.scale
    return Outer()


@pytest.fixture
def pair():
    ours, theirs = model(nn), model(torch.nn)
    return transfer(ours, theirs), theirs


def test_names_in_order(pair):
    ours, theirs = pair
    for walk, options in [
        ("named_parameters", {}), ("named_parameters", {"prefix": "m", "recurse": False}),
        ("named_parameters", {"remove_duplicate": False}), ("named_buffers", {}),
        ("named_buffers", {"remove_duplicate": False}), ("named_modules", {}), ("named_modules", {"prefix": "m"}),
        ("named_modules", {"remove_duplicate": False}), ("named_children", {}),
    ]:
        names = [name for name, _ in getattr(ours, walk)(**options)]
        assert names == [name for name, _ in getattr(theirs, walk)(**options)], (walk, options)
    for walk in ("parameters", "buffers", "modules", "children"):
        assert len(list(getattr(ours, walk)())) == len(list(getattr(theirs, walk)()))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="a.")) == list(theirs.state_dict(prefix="a."))


def test_repr(pair):
    assert repr(pair[0]) == repr(pair[1])


def test_forward_and_gradients(pair):
    x, y = leaf(np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32))
    a, b = pair[0](x), pair[1](y)
    assert_same(a, b)
    a.sum().backward()
    b.sum().backward()
    for (name, p), (_, q) in zip(pair[0].named_parameters(), pair[1].named_parameters(), strict=True):
        assert_same(p.grad, q.grad, name)
    assert_same(x.grad, y.grad)


def test_state_goes_back_to_torch(pair):
    theirs = model(torch.nn)
    theirs.load_state_dict({name: torch.from_numpy(w.array) for name, w in pair[0].state_dict().items()})
    for name, w in theirs.state_dict().items():
        assert_same(pair[0].state_dict()[name], w, name)


def test_state_of_torch_loads_as_it_is(pair):
    ours, theirs = model(nn), pair[1]
    result = ours.load_state_dict(theirs.state_dict())
    assert repr(result) == repr(theirs.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    for name, w in theirs.state_dict().items():
        assert_same(ours.state_dict()[name], w, name)


def test_state_dict_shares_memory_and_has_no_history(pair):
    ours = pair[0]
    state = ours.state_dict()
    assert isinstance(state, OrderedDict)
    assert not state["scale"].requires_grad and np.shares_memory(state["scale"].array, ours.scale.array)
    assert ours.state_dict(keep_vars=True)["scale"] is ours.scale
    mine = {}
    assert ours.state_dict(destination=mine) is mine and mine.keys() == state.keys()


def broken(library, change):
    state = OrderedDict((name, tensor(library, w.detach().numpy() if library is torch.nn else w.array.copy()))
                        for name, w in model(library).state_dict().items())
    change(state, lambda array: tensor(library, array))
    return state


def drop(state, make):
    del state["scale"], state["first.linear.bias"]


def add(state, make):
    state["new"] = make(np.zeros(1))
    state["other.part"] = make(np.zeros(1))


def resize(state, make):
    state["first.linear.weight"] = make(np.zeros((2, 5), np.float32))
    state["scale"] = make(np.zeros((), np.float32))
    state["first.count"] = make(np.zeros(3, np.float32))


def replace(state, make):
    state["scale"] = [1.0, 2.0, 3.0]


def everything(state, make):
    drop(state, make)
    add(state, make)
    state["first.linear.weight"] = make(np.zeros((2, 5), np.float32))


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("change", [drop, add, resize, replace, everything])
def test_load_errors(change, strict, assign):
    messages, results = [], []
    for library in BOTH:
        m = model(library)
        try:
            results.append(tuple(m.load_state_dict(broken(library, change), strict=strict, assign=assign)))
            messages.append(None)
        except RuntimeError as error:
            messages.append(plain(str(error)).replace("expected torch.Tensor", "expected Tensor"))
    assert messages[0] == messages[1]
    assert results[:1] == results[1:]


@pytest.mark.parametrize("change", [drop, add, resize, everything])
def test_nothing_is_loaded_when_something_does_not_fit(change):
    m = model(nn)
    before = {name: w.array.copy() for name, w in m.state_dict().items()}
    state = broken(nn, change)
    for w in state.values():
        w.array[...] += 1
    with pytest.raises(RuntimeError, match="Error"):
        m.load_state_dict(state)
    for name, w in m.state_dict().items():
        assert (w.array == before[name]).all(), name


def test_load_converts_and_assign_does_not():
    state = {name: w.array.astype(np.float64) for name, w in model(nn).state_dict().items()}
    m = model(nn)
    weight = m.first.linear.weight
    m.load_state_dict(state)
    assert m.first.linear.weight is weight and weight.dtype == np.float32
    m.scale.requires_grad = False
    m.load_state_dict(state, assign=True)
    assert m.first.linear.weight is not weight and m.first.linear.weight.dtype == np.float64
    assert isinstance(m.first.linear.weight, nn.Parameter) and m.first.linear.weight.requires_grad
    assert not m.scale.requires_grad
    with pytest.raises(TypeError, match="dict-like"):
        m.load_state_dict([1])


def test_a_module_loads_its_own_tensors_under_other_names():
    m = nn.ParameterDict({"a": nn.Parameter(leaf([1.0])[0]), "b": nn.Parameter(leaf([2.0])[0])})
    state = m.state_dict()
    m.load_state_dict({"a": state["b"], "b": state["a"]})
    assert m["a"].item() == 2 and m["b"].item() == 1
    m["b"].array.flags.writeable = False
    with pytest.raises(RuntimeError, match='"b": its memory is read-only'):
        m.load_state_dict({"a": leaf([5.0])[0], "b": leaf([5.0])[0]})
    assert m["a"].item() == 2


@pytest.mark.parametrize("library", BOTH)
def test_what_a_module_keeps_besides_tensors(library):
    class Counter(library.Module):
        steps = 0

        def get_extra_state(self):
            return {"steps": self.steps}

        def set_extra_state(self, state):
            self.steps = state["steps"]
    m, n = (library.Sequential(Counter(), library.Linear(1, 1), Counter()) for _ in range(2))
    m[0].steps, m[2].steps = 3, 4
    state = m.state_dict()
    assert list(state) == ["0._extra_state", "1.weight", "1.bias", "2._extra_state"]
    assert tuple(n.load_state_dict(state)) == ([], []) and (n[0].steps, n[2].steps) == (3, 4)
    del state["2._extra_state"]
    assert n.load_state_dict(state, strict=False).missing_keys == ["2._extra_state"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "2._extra_state"'):
        n.load_state_dict(state)
    alone = Counter()
    alone.load_state_dict(m[2].state_dict())
    assert alone.steps == 4


def test_a_saved_tensor_that_is_loaded_over_is_noticed(pair):
    m = pair[0]
    y = m(leaf(np.ones((1, 2), np.float32))[0]).sum()
    m.load_state_dict(m.state_dict())
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


# ---- attributes ------------------------------------------------------------------------------------------------------

def message(action):
    with pytest.raises(Exception) as raised:
        action()
    return raised.type, plain(str(raised.value)).replace("torch ", "")


MISTAKES = {
    "parameter replaced": lambda L, m: setattr(m, "scale", tensor(L, [1.0])),
    "parameter replaced by number": lambda L, m: setattr(m, "scale", 3),
    "module replaced": lambda L, m: setattr(m, "first", 3),
    "buffer replaced": lambda L, m: setattr(m.first, "count", 3),
    "unknown": lambda L, m: m.unknown,
    "unknown deleted": lambda L, m: delattr(m, "unknown"),
    "buffer name": lambda L, m: m.register_buffer("a.b", None),
    "buffer name empty": lambda L, m: m.register_buffer("", None),
    "buffer name taken": lambda L, m: m.register_buffer("scale", None),
    "buffer name type": lambda L, m: m.register_buffer(3, None),
    "buffer type": lambda L, m: m.register_buffer("x", 3),
    "parameter name": lambda L, m: m.register_parameter("a.b", None),
    "parameter name empty": lambda L, m: m.register_parameter("", None),
    "parameter name taken": lambda L, m: m.register_parameter("first", None),
    "parameter type": lambda L, m: m.register_parameter("x", 3),
    "module name": lambda L, m: m.add_module("a.b", None),
    "module name empty": lambda L, m: m.add_module("", None),
    "module name taken": lambda L, m: m.register_module("scale", None),
    "module type": lambda L, m: m.add_module("x", 3),
    "train": lambda L, m: m.train(1),
    "no forward": lambda L, m: L.Module()(1),
    "submodule": lambda L, m: m.get_submodule("first.missing"),
    "not a submodule": lambda L, m: m.get_submodule("scale"),
    "no parameter": lambda L, m: m.get_parameter("first.missing"),
    "not a parameter": lambda L, m: m.get_parameter("first.count"),
    "not a buffer": lambda L, m: m.get_buffer("first.linear"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_the_same_words(name):
    ours, theirs = (message(lambda library=library: MISTAKES[name](library, model(library))) for library in BOTH)
    words = [text.replace("(Buffer, Tensor or None expected)", "").replace("'FloatTensor'", "'Tensor'")
             .replace("'float64'", "'Tensor'") for text in (ours[1], theirs[1])]
    assert ours[0] is theirs[0] and words[0] == words[1]


def early(library, value):
    class Early(library.Module):
        def __init__(self):
            self.value = value
            super().__init__()
    return Early


@pytest.mark.parametrize("make", [lambda L: L.Linear(1, 1), lambda L: L.Parameter(tensor(L, np.zeros(1)))])
def test_assigning_before_init(make):
    ours, theirs = (message(early(library, make(library))) for library in BOTH)
    assert ours == theirs


def test_history_cannot_be_a_parameter():
    p = nn.Parameter(tensor(nn, [1.0]))
    p.requires_grad = False
    q = nn.Parameter(tensor(nn, [1.0]))
    p *= q
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        nn.Module().w = p


def test_an_attribute_may_change_its_kind():
    for library in BOTH:
        m = library.Module()
        m.x = 3
        m.x = library.Parameter(tensor(library, [1.0]))
        assert list(dict(m.named_parameters())) == ["x"] and "x" not in m.__dict__
        m.x = None
        assert m.x is None and list(m.named_parameters()) == [] and "x" in m._parameters
        with pytest.raises(TypeError):
            m.x = library.Linear(1, 1)
        m.y = m.x = library.Parameter(tensor(library, [1.0]))
        del m.x
        m.x = library.Linear(1, 1)
        assert list(dict(m.named_children())) == ["x"] and list(m._parameters) == ["y"]
        m.x = library.Parameter(tensor(library, [1.0]))
        assert list(m.children()) == [] and list(m._parameters) == ["y", "x"]
        del m.x
        assert not hasattr(m, "x")
        m.register_buffer("b", tensor(library, [1.0]), persistent=False)
        m.b = tensor(library, [2.0])
        assert list(m.state_dict()) == ["y"] and list(dict(m.named_buffers())) == ["b"]
        m.c = library.Buffer(tensor(library, [2.0]))
        assert list(m.state_dict()) == ["y", "c"]
        del m.b
        m.register_buffer("b", tensor(library, [1.0]))
        assert list(m.state_dict()) == ["y", "c", "b"]


def test_dir_and_paths(pair):
    m = pair[0]
    assert {"scale", "first", "forward", "training"} <= set(dir(m))
    assert "count" in dir(m.first) and "0" not in dir(m.second)
    assert m.get_submodule("second.0") is m.second[0] and m.get_submodule("") is m
    assert m.get_parameter("first.linear.weight") is m.first.linear.weight
    assert m.get_buffer("first.count") is m.first.count


# ---- all at once -----------------------------------------------------------------------------------------------------

def test_train_and_apply(pair):
    m = pair[0]
    assert m.eval() is m and not any(x.training for x in m.modules())
    assert m.train() is m and all(x.training for x in m.modules())
    orders = [[], []]
    for order, x in zip(orders, pair, strict=True):
        x.apply(lambda module, order=order: order.append(type(module).__name__))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("library", BOTH)
def test_a_part_may_refuse_to_be_trained(library):
    class Frozen(library.Module):
        def __init__(self):
            super().__init__()
            self.inner = library.Dropout(0.5)

        def train(self, mode=True):
            return super().train(False)
    m = library.Sequential(Frozen(), library.Dropout(0.5)).train()
    assert [x.training for x in m.modules()] == [True, False, False, True]


def test_gradients_can_be_forgotten(pair):
    m = pair[0]
    m(leaf(np.ones((1, 2), np.float32))[0]).sum().backward()
    held = m.scale.grad
    m.zero_grad(set_to_none=False)
    assert np.shares_memory(m.scale.grad.array, held.array) and not m.scale.grad.array.any()
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())
    assert m.requires_grad_(False) is m and not any(p.requires_grad for p in m.parameters())


def test_conversion(pair):
    m = pair[0]
    m.first.register_buffer("whole", tensor(nn, [1, 2]))
    m(leaf(np.ones((1, 2), np.float32))[0]).sum().backward()
    parameters, gradient = list(m.parameters()), m.scale.grad.array.copy()
    assert m.double() is m
    assert all(p is q and p.dtype == np.float64 for p, q in zip(m.parameters(), parameters, strict=True))
    assert m.scale.grad.dtype == np.float64 and (m.scale.grad.array == gradient).all()
    assert m.first.count.dtype == np.float64 and m.first.whole.dtype == np.int64
    assert m.tied is m.second[0].weight
    m(leaf(np.ones((1, 2)))[0]).sum().backward()
    for same in (m.to("cpu"), m.to(np.float32), m.to("cpu", np.float32), m.to(m.scale), m.to(device="cpu"), m.cpu()):
        assert same is m and m.scale.dtype == np.float32
    assert m.float() is m
    with pytest.raises(TypeError, match="floating point"):
        m.to(np.int64)
    with pytest.raises(RuntimeError, match="cuda"):
        m.to("cuda")
    assert m.to("cpu", np.float64, True).scale.dtype == np.float64
    assert m.to("cpu", np.float32, non_blocking=True).scale.dtype == np.float32
    with pytest.raises(TypeError):
        m.to(memory="cpu")


@pytest.mark.parametrize("library", BOTH)
def test_the_copy_of_a_parameter_has_no_gradient(library):
    m = library.Linear(2, 1, bias=False)
    m(tensor(library, np.ones((1, 2), np.float32))).sum().backward()
    twin = copy.deepcopy(m)
    assert twin.weight.grad is None and m.weight.grad.tolist() == [[1, 1]]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(again):
    m = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 2)))
    m[1][1].bias = m[1][1].bias
    m.tied = m[0].weight
    twin = again(m)
    assert repr(twin) == repr(m) and twin.tied is twin[0].weight
    x = leaf(np.ones((4, 2), np.float32))[0]
    assert (twin(x).array == m(x).array).all()
    twin(x).sum().backward()
    assert m[0].weight.grad is None
    for (name, p), (_, q) in zip(m.named_parameters(), twin.named_parameters(), strict=True):
        assert p is not q and not np.shares_memory(p.array, q.array), name


# ---- hooks -----------------------------------------------------------------------------------------------------------

def test_hooks(pair):
    logs = []
    for library, m in zip(BOTH, pair, strict=True):
        log, x = [], tensor(library, np.ones((1, 2), np.float32))
        logs.append(log)
        inner = m.first
        handles = [
            inner.register_forward_pre_hook(lambda module, args: (args[0] * 2,)),
            inner.register_forward_pre_hook(lambda module, args: args[0] + 1),
            inner.register_forward_pre_hook(lambda module, args: args[0] * 3, prepend=True),
            inner.register_forward_pre_hook(lambda module, args, kw: (args, {"scale": kw["scale"] + 1}),
                                            with_kwargs=True),
            inner.register_forward_hook(lambda module, args, y, log=log: log.append(args[0].tolist())),
            inner.register_forward_hook(lambda module, args, kw, y: y * kw["scale"], with_kwargs=True),
            inner.register_forward_hook(lambda module, args, y: y - 1, prepend=True),
        ]
        log.append(inner(x, scale=2))
        for handle in handles:
            handle.remove()
        log.append(inner(x))
        with inner.register_forward_hook(lambda module, args, y: y * 0):
            log.append(inner(x))
        log.append(inner(x))
    assert logs[0][0] == logs[1][0]
    for a, b in zip(logs[0][1:], logs[1][1:], strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("library", BOTH)
def test_a_hook_gives_back_both_kinds_of_arguments(library):
    m = library.Linear(1, 1)
    m.register_forward_pre_hook(lambda module, args, kwargs: args[0], with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\)"):
        m(tensor(library, np.ones((1, 1), np.float32)))


def test_hooks_outlive_their_handles():
    m, calls = nn.Identity(), []
    for k in range(3):
        m.register_forward_hook(lambda module, args, y, k=k: calls.append(k))
    m(1)
    assert calls == [0, 1, 2]
