"""Containers beside PyTorch's: the same statements in both, the same keys, texts and errors."""
from collections import OrderedDict

import numpy as np
import pytest
import torch
from nn_helpers import assert_same, leaf, plain, transfer

from tinyrnn import nn

BOTH = [nn, torch.nn]


def tensor(library, *shape, dtype=np.float32):
    ours, theirs = leaf(np.arange(np.prod(shape), dtype=dtype).reshape(shape), False)
    return ours if library is nn else theirs


def outcome(statement, library):
    """What a statement gives, as text: a value, or an error and its message."""
    try:
        result = statement(library)
    except Exception as error:                      # noqa: BLE001 - whatever it is, both must raise it
        text = plain(str(error)).replace("ParametersDict", "ParameterDict").replace("modules.container.", "")
        return type(error).__name__, text.replace(" Open an issue on github if you need non-string keys.", "") \
            .replace("tinyrnn.nn.container.", "")
    if isinstance(result, (nn.Module, torch.nn.Module)):
        return plain(repr(result)), list(result.state_dict()), [plain(type(m).__name__) for m in result.modules()]
    return plain(repr(result))


def layers(L):
    return [L.Linear(2, 3), L.ReLU(), L.Linear(3, 4), L.Linear(3, 4), L.Tanh()]


def named(L):
    return L.Sequential(OrderedDict([("a", L.Linear(2, 3)), ("b", L.ReLU()), ("c", L.Linear(3, 1))]))


def after(container, action):
    """The container after an action on it."""
    action(container)
    return container


def add(a, b):
    a += b
    return a


def times(a, n):
    a *= n
    return a


SEQUENTIAL = {
    "empty": lambda L: L.Sequential(),
    "plain": lambda L: L.Sequential(*layers(L)),
    "named": named,
    "slice": lambda L: L.Sequential(*layers(L))[1:4],
    "slice by two": lambda L: L.Sequential(*layers(L))[::2],
    "slice of named": lambda L: named(L)[1:],
    "index": lambda L: named(L)[-1],
    "index too large": lambda L: named(L)[3],
    "index too small": lambda L: named(L)[-4],
    "length": lambda L: len(named(L)),
    "append": lambda L: L.Sequential(*layers(L)).append(L.Identity()),
    "append number": lambda L: L.Sequential().append(3),
    "extend": lambda L: L.Sequential(L.Tanh()).extend(layers(L)),
    "insert": lambda L: L.Sequential(*layers(L)).insert(2, L.Identity()),
    "insert at end": lambda L: L.Sequential(*layers(L)).insert(5, L.Identity()),
    "insert from end": lambda L: L.Sequential(*layers(L)).insert(-1, L.Identity()),
    "insert outside": lambda L: L.Sequential(*layers(L)).insert(7, L.Identity()),
    "set": lambda L: after(named(L), lambda m: m.__setitem__(1, L.Tanh())),
    "delete": lambda L: after(L.Sequential(*layers(L)), lambda m: m.__delitem__(1)),
    "delete slice": lambda L: after(L.Sequential(*layers(L)), lambda m: m.__delitem__(slice(1, 3))),
    "pop": lambda L: L.Sequential(*layers(L)).pop(0),
    "add": lambda L: named(L) + L.Sequential(L.Tanh()),
    "add list": lambda L: named(L) + [L.Tanh()],
    "add in place": lambda L: add(L.Sequential(L.ReLU()), L.Sequential(L.Tanh())),
    "times": lambda L: L.Sequential(L.ReLU(), L.Tanh()) * 2,
    "times from the left": lambda L: 2 * L.Sequential(L.ReLU(), L.Tanh()),
    "times in place": lambda L: times(L.Sequential(L.ReLU(), L.Tanh()), 3),
    "times zero": lambda L: L.Sequential(L.ReLU()) * 0,
    "nested": lambda L: L.Sequential(named(L), L.Sequential(L.Dropout(0.2), L.Sequential())),
}

MODULE_LIST = {
    "empty": lambda L: L.ModuleList(),
    "repr groups equal neighbours": lambda L: L.ModuleList([L.Tanh(), *layers(L), L.Tanh(), named(L), named(L)]),
    "slice": lambda L: L.ModuleList(layers(L))[1:3],
    "slice type": lambda L: type(L.ModuleList(layers(L))[1:3]).__name__,
    "index": lambda L: L.ModuleList(layers(L))[-2],
    "index outside": lambda L: L.ModuleList(layers(L))[5],
    "set": lambda L: after(L.ModuleList(layers(L)), lambda m: m.__setitem__(-1, L.ReLU())),
    "delete": lambda L: after(L.ModuleList(layers(L)), lambda m: m.__delitem__(-1)),
    "delete slice": lambda L: after(L.ModuleList(layers(L)), lambda m: m.__delitem__(slice(0, 4, 2))),
    "insert": lambda L: after(L.ModuleList(layers(L)), lambda m: m.insert(1, L.Identity())),
    "append": lambda L: L.ModuleList().append(L.Tanh()),
    "extend": lambda L: L.ModuleList([L.Tanh()]).extend(layers(L)),
    "extend number": lambda L: L.ModuleList().extend(3),
    "add": lambda L: L.ModuleList(layers(L)) + [L.Tanh()],
    "add in place": lambda L: add(L.ModuleList(layers(L)), [L.Tanh()]),
    "pop": lambda L: L.ModuleList(layers(L)).pop(2),
    "length": lambda L: len(L.ModuleList(layers(L))),
    "iterate": lambda L: [repr(m) for m in L.ModuleList(layers(L))],
}


def modules(L):
    return L.ModuleDict({"b": L.Linear(2, 2), "a": L.Tanh()})


MODULE_DICT = {
    "empty": lambda L: L.ModuleDict(),
    "plain": modules,
    "pairs": lambda L: L.ModuleDict([["x", L.Tanh()], ("y", L.Linear(1, 1))]),
    "get": lambda L: modules(L)["a"],
    "get missing": lambda L: modules(L)["z"],
    "set": lambda L: after(modules(L), lambda m: m.__setitem__("c", L.ReLU())),
    "set again": lambda L: after(modules(L), lambda m: m.__setitem__("b", L.ReLU())),
    "set number": lambda L: after(modules(L), lambda m: m.__setitem__("c", 3)),
    "delete": lambda L: after(modules(L), lambda m: m.__delitem__("b")),
    "pop": lambda L: modules(L).pop("b"),
    "clear": lambda L: after(modules(L), lambda m: m.clear()),
    "keys": lambda L: (list(modules(L).keys()), list(modules(L)), len(modules(L)), "a" in modules(L),
                       "z" in modules(L)),
    "items": lambda L: [(k, repr(m)) for k, m in modules(L).items()] + [repr(m) for m in modules(L).values()],
    "update": lambda L: after(modules(L), lambda m: m.update(modules(L))),
    "update number": lambda L: modules(L).update(3),
    "update numbers": lambda L: modules(L).update([("x", L.Tanh(), 3)]),
    "name of an attribute": lambda L: L.ModuleDict({"training": L.Tanh()}),
}


def parameters(L):
    return L.ParameterList([tensor(L, 2, 3), L.Parameter(tensor(L, 4)), "text", tensor(L, dtype=np.float64)])


PARAMETER_LIST = {
    "plain": parameters,
    "types": lambda L: [type(p).__name__ for p in parameters(L)],
    "index": lambda L: parameters(L)[-2],
    "index outside": lambda L: parameters(L)[4],
    "slice": lambda L: parameters(L)[1:3],
    "slice by two": lambda L: parameters(L)[::2],
    "set": lambda L: after(parameters(L), lambda m: m.__setitem__(0, tensor(L, 5))),
    "append": lambda L: parameters(L).append(tensor(L, 1)),
    "extend": lambda L: parameters(L).extend([tensor(L, 1)]),
    "extend tensor": lambda L: parameters(L).extend(tensor(L, 1)),
    "add in place": lambda L: add(parameters(L), [tensor(L, 1)]),
    "length": lambda L: len(parameters(L)),
    "call": lambda L: parameters(L)(),
}


def weights(L):
    return L.ParameterDict({"a": tensor(L, 2), "b": L.Parameter(tensor(L, 3, 1)), "c": "text"})


PARAMETER_DICT = {
    "plain": weights,
    "pairs": lambda L: L.ParameterDict([("y", tensor(L, 2)), ("x", tensor(L, 1))]),
    "types": lambda L: [type(p).__name__ for p in weights(L).values()],
    "get": lambda L: (weights(L).get("c"), weights(L).get("z"), weights(L).get("z", 3), weights(L)["c"]),
    "number as key": lambda L: after(weights(L), lambda m: m.__setitem__(3, tensor(L, 1)))[1:],
    "delete": lambda L: after(weights(L), lambda m: m.__delitem__("a")),
    "delete missing": lambda L: after(weights(L), lambda m: m.__delitem__("z")),
    "pop": lambda L: weights(L).pop("c"),
    "popitem": lambda L: weights(L).popitem(),
    "clear": lambda L: after(weights(L), lambda m: m.clear()),
    "copy": lambda L: weights(L).copy(),
    "setdefault": lambda L: after(weights(L), lambda m: (m.setdefault("a", 1), m.setdefault("d", tensor(L, 1)))),
    "fromkeys": lambda L: L.ParameterDict().fromkeys(["x", "y"], 3),
    "keys": lambda L: (list(weights(L)), list(reversed(weights(L))), list(weights(L).keys()), len(weights(L)),
                       "a" in weights(L), "z" in weights(L)),
    "or": lambda L: weights(L) | L.ParameterDict({"a": tensor(L, 7), "d": tensor(L, 1)}),
    "or in place": lambda L: weights(L).__ior__(L.ParameterDict({"a": tensor(L, 7)})),
    "update number": lambda L: weights(L).update(3),
    "call": lambda L: weights(L)(3),
}

CASES = [pytest.param(statement, id=f"{kind} {name}") for kind, table in [
    ("Sequential", SEQUENTIAL), ("ModuleList", MODULE_LIST), ("ModuleDict", MODULE_DICT),
    ("ParameterList", PARAMETER_LIST), ("ParameterDict", PARAMETER_DICT)] for name, statement in table.items()]


@pytest.mark.parametrize("statement", CASES)
def test_same_as_torch(statement):
    ours, theirs = outcome(statement, nn), outcome(statement, torch.nn)
    assert ours == theirs


def test_sequential_runs_in_order():
    ours, theirs = named(nn), named(torch.nn)
    transfer(ours, theirs)
    x, y = leaf(np.ones((2, 2), np.float32))
    assert_same(ours(x), theirs(y))
    ours(x).sum().backward()
    theirs(y).sum().backward()
    assert_same(x.grad, y.grad)


def test_modules_are_shared_not_copied():
    layer = nn.Linear(2, 2)
    both = nn.Sequential(layer, layer)
    assert len(list(both.parameters())) == 2 and both[0] is both[1] is layer
    assert list(both.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    grown = both * 2
    assert all(m is layer for m in grown) and len(grown) == 4
    both.extend(both)
    assert len(both) == 4


def test_lists_and_dicts_have_no_forward():
    for container in (nn.ModuleList(), nn.ModuleDict()):
        with pytest.raises(NotImplementedError, match="forward"):
            container(1)
    with pytest.raises(KeyError):
        weights(nn)["training"]
