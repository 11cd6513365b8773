"""Every operation, one line each: a call that both frameworks understand, and the shapes of its inputs.

``F`` looks a name up in ``nn.functional``, in the package, and among the methods of Tensor. An operation that has
several faces (a reduction over one dimension, over several, over all) has several lines.
"""
from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """The inputs are random, "normal" or "positive" (0.5 to 1.5).

    ``smooth`` is False where finite differences do not show what backward must compute. ``empty``: shapes without
    elements, where it is not enough to give the first input no rows or no columns.
    """

    name: str
    call: Callable
    shapes: tuple
    domain: str
    smooth: bool
    empty: tuple


def line(name, call, *shapes, domain="normal", smooth=True, empty=()):
    return Line(name, call, shapes, domain, smooth, empty)


def elementwise(name, domain="normal", **options):
    """One input, element by element."""
    return line(name, lambda F, x: getattr(F, name)(x, **options), (3, 4), domain=domain)


def indices(F, *rows):
    return F.tensor(list(rows))


def zeros(x):
    """As many indices as x has elements, all of them 0."""
    return (x.detach() * 0).long()


ARITHMETIC = [
    line("add", lambda F, x, y: F.add(x, y, alpha=3), (3, 4), (4,)),
    line("add", lambda F, x: F.add(x, 2), (3, 4)),
    line("sub", lambda F, x, y: F.sub(x, y, alpha=0.5), (3, 4), (4,)),
    line("mul", lambda F, x, y: F.mul(x, y), (3, 4), (1, 4)),
    line("div", lambda F, x, y: F.div(x, y), (3, 4), (4,), domain="positive"),
    line("div", lambda F, x, y: F.div(x, y, rounding_mode="floor"), (3, 4), (4,), domain="positive"),
    line("div", lambda F, x, y: F.div(x, y, rounding_mode="trunc"), (3, 4), (4,), domain="positive"),
    line("absolute", lambda F, x: F.absolute(x), (3, 4)),
    line("negative", lambda F, x: F.negative(x), (3, 4)),
    line("subtract", lambda F, x, y: F.subtract(x, y), (3, 4), (4,)),
    line("multiply", lambda F, x, y: F.multiply(x, y), (3, 4), (4,)),
    line("divide", lambda F, x, y: F.divide(x, y), (3, 4), (4,), domain="positive"),
    line("true_divide", lambda F, x, y: F.true_divide(x, y), (3, 4), (4,), domain="positive"),
    line("remainder", lambda F, x, y: F.remainder(x, y), (3, 4), (4,), domain="positive"),
    line("fmod", lambda F, x, y: F.fmod(x, y), (3, 4), (4,), domain="positive"),
    line("pow", lambda F, x, y: F.pow(x, y), (3, 4), (4,), domain="positive"),
    line("pow", lambda F, x: F.pow(x, 3), (3, 4)),
    line("pow", lambda F, x: F.pow(2.0, x), (3, 4)),
    line("neg", lambda F, x: F.neg(x), (3, 4)),
    line("maximum", lambda F, x, y: F.maximum(x, y), (3, 4), (4,)),
    line("minimum", lambda F, x, y: F.minimum(x, y), (3, 4), (4,)),
    line("clamp", lambda F, x: F.clamp(x, -0.5, 0.5), (3, 4)),
    line("clamp", lambda F, x, low: F.clamp(x, min=low), (3, 4), (4,)),
    line("clip", lambda F, x: F.clip(x, max=0.3), (3, 4)),
    line("clamp_min", lambda F, x: F.clamp_min(x, 0.1), (3, 4)),
    line("clamp_max", lambda F, x, high: F.clamp_max(x, high), (3, 4), (4,)),
    line("lerp", lambda F, x, y: F.lerp(x, y, 0.3), (3, 4), (4,)),
    line("lerp", lambda F, x, y, w: F.lerp(x, y, w), (3, 4), (4,), (1, 4)),
    line("addcmul", lambda F, x, a, b: F.addcmul(x, a, b, value=3), (3, 4), (4,), (1, 4)),
    line("addcdiv", lambda F, x, a, b: F.addcdiv(x, a, b, value=2), (3, 4), (4,), (1, 4), domain="positive"),
    line("nan_to_num", lambda F, x: F.nan_to_num(x), (3, 4)),
]

FUNCTIONS = [
    *(elementwise(name) for name in ("abs", "exp", "expm1", "sin", "cos", "erf", "square", "sign", "floor", "ceil",
                                     "trunc", "round", "frac")),
    *(elementwise(name, "positive") for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal")),
    *(elementwise(name) for name in ("tanh", "sigmoid", "relu", "logsigmoid", "softsign", "relu6", "leaky_relu", "elu",
                                     "silu", "gelu", "softplus", "hardtanh")),
    elementwise("round", decimals=1),
    elementwise("leaky_relu", negative_slope=0.2),
    elementwise("elu", alpha=0.7),
    elementwise("gelu", approximate="tanh"),
    elementwise("softplus", beta=2.0, threshold=1.0),
    elementwise("hardtanh", min_val=-0.3, max_val=0.6),
    line("softmax", lambda F, x: F.softmax(x, -1), (3, 4)),
    line("softmin", lambda F, x: F.softmin(x, 0), (3, 4)),
    line("log_softmax", lambda F, x: F.log_softmax(x, 0), (3, 4)),
    line("dropout", lambda F, x: F.dropout(x, 0.4, False), (3, 4)),
]

PRODUCTS = [
    line("matmul", lambda F, a, b: F.matmul(a, b), (2, 3, 4), (4, 5)),
    line("matmul", lambda F, a, b: F.matmul(a, b), (3, 4), (4,)),
    line("mm", lambda F, a, b: F.mm(a, b), (3, 4), (4, 5)),
    line("bmm", lambda F, a, b: F.bmm(a, b), (2, 3, 4), (2, 4, 5), empty=((0, 3, 4), (0, 4, 5))),
    line("mv", lambda F, a, b: F.mv(a, b), (3, 4), (4,)),
    line("dot", lambda F, a, b: F.dot(a, b), (4,), (4,), empty=((0,), (0,))),
    line("inner", lambda F, a, b: F.inner(a, b), (3, 4), (2, 4)),
    line("outer", lambda F, a, b: F.outer(a, b), (3,), (4,)),
    line("addmm", lambda F, c, a, b: F.addmm(c, a, b, beta=2, alpha=3), (3, 5), (3, 4), (4, 5),
         empty=((3, 5), (3, 0), (0, 5))),
    line("addmv", lambda F, c, a, b: F.addmv(c, a, b, beta=2, alpha=3), (3,), (3, 4), (4,),
         empty=((0,), (0, 4), (4,))),
    line("baddbmm", lambda F, c, a, b: F.baddbmm(c, a, b, beta=2, alpha=3), (2, 3, 5), (2, 3, 4), (2, 4, 5),
         empty=((0, 3, 5), (0, 3, 4), (0, 4, 5))),
    line("linear", lambda F, x, w, b: F.linear(x, w, b), (3, 4), (5, 4), (5,)),
    line("bilinear", lambda F, x, y, w, b: F.bilinear(x, y, w, b), (3, 4), (3, 2), (5, 4, 2), (5,),
         empty=((0, 4), (0, 2), (5, 4, 2), (5,))),
    line("einsum", lambda F, a, b: F.einsum("bij,jk->bik", a, b), (2, 3, 4), (4, 2)),
    line("einsum", lambda F, a: F.einsum("ij->", a), (3, 4)),
]

REDUCTIONS = [
    line("sum", lambda F, x: F.sum(x), (3, 4)),
    line("sum", lambda F, x: F.sum(x, (0, -1), keepdim=True), (3, 4, 2)),
    line("mean", lambda F, x: F.mean(x), (3, 4)),
    line("mean", lambda F, x: F.mean(x, 1), (3, 4)),
    line("var", lambda F, x: F.var(x, 1), (3, 4)),
    line("var", lambda F, x: F.var(x, (0, 1), correction=0), (3, 4)),
    line("std", lambda F, x: F.std(x), (3, 4)),
    line("std", lambda F, x: F.std(x, 1, keepdim=True), (3, 4)),
    line("var_mean", lambda F, x: F.var_mean(x, 1), (3, 4)),
    line("norm", lambda F, x: F.norm(x), (3, 4)),
    line("norm", lambda F, x: F.norm(x, 3, 1), (3, 4)),
    line("norm", lambda F, x: F.norm(x, float("inf"), 1), (3, 4)),
    line("prod", lambda F, x: F.prod(x), (3, 4)),
    line("prod", lambda F, x: F.prod(x, 1), (3, 4)),
    line("max", lambda F, x: F.max(x), (3, 4)),
    line("max", lambda F, x: F.max(x, 1), (3, 4)),
    line("min", lambda F, x: F.min(x), (3, 4)),
    line("min", lambda F, x: F.min(x, 1, keepdim=True), (3, 4)),
    line("amax", lambda F, x: F.amax(x, (0, 1)), (2, 3, 4)),
    line("amin", lambda F, x: F.amin(x, 1), (3, 4)),
    line("logsumexp", lambda F, x: F.logsumexp(x, 1), (3, 4)),
    line("cumsum", lambda F, x: F.cumsum(x, 1), (3, 4)),
    line("cumprod", lambda F, x: F.cumprod(x, 1), (3, 4)),
    line("sort", lambda F, x: F.sort(x, 1, True), (3, 4)),
    line("topk", lambda F, x: F.topk(x, 2, 1), (3, 4)),
]

SHAPES = [
    line("view", lambda F, x: F.view(x, -1, 2), (3, 4)),
    line("reshape", lambda F, x: F.reshape(x, (4, -1)), (4, 3)),
    line("view_as", lambda F, x, y: F.view_as(x, y), (3, 4), (2, 6)),
    line("reshape_as", lambda F, x, y: F.reshape_as(x, y), (3, 4), (2, 6)),
    line("flatten", lambda F, x: F.flatten(x, 1), (2, 3, 2)),
    line("unflatten", lambda F, x: F.unflatten(x, 1, (2, -1)), (3, 4)),
    line("ravel", lambda F, x: F.ravel(x), (3, 4)),
    line("squeeze", lambda F, x: F.squeeze(x), (3, 1, 4)),
    line("squeeze", lambda F, x: F.squeeze(x, 1), (3, 1, 4)),
    line("unsqueeze", lambda F, x: F.unsqueeze(x, -1), (3, 4)),
    line("transpose", lambda F, x: F.transpose(x, 0, -1), (3, 4)),
    line("swapaxes", lambda F, x: F.swapaxes(x, 0, 1), (3, 4)),
    line("swapdims", lambda F, x: F.swapdims(x, 0, 1), (3, 4)),
    line("permute", lambda F, x: F.permute(x, (2, 0, 1)), (3, 4, 2)),
    line("movedim", lambda F, x: F.movedim(x, 0, 2), (3, 4, 2)),
    line("moveaxis", lambda F, x: F.moveaxis(x, (0, 1), (1, 2)), (3, 4, 2)),
    line("t", lambda F, x: F.t(x), (3, 4)),
    line("T", lambda F, x: x.T, (3, 4)),
    line("mT", lambda F, x: x.mT, (2, 3, 2)),
    line("expand", lambda F, x: F.expand(x, 2, -1, 4), (3, 1)),
    line("expand_as", lambda F, x, y: F.expand_as(x, y), (3, 1), (3, 4)),
    line("broadcast_to", lambda F, x: F.broadcast_to(x, (2, 3, 4)), (3, 1)),
    line("narrow", lambda F, x: F.narrow(x, 1, 1, 2), (3, 4)),
    line("select", lambda F, x: F.select(x, 1, -1), (3, 4)),
    line("unbind", lambda F, x: F.unbind(x, 1), (3, 4)),
    line("split", lambda F, x: F.split(x, 3, 1), (3, 4)),
    line("split", lambda F, x: F.split(x, [1, 3], dim=1), (3, 4)),
    line("chunk", lambda F, x: F.chunk(x, 3, 1), (3, 4)),
    line("diagonal", lambda F, x: F.diagonal(x, 1), (3, 4)),
    line("diag", lambda F, x: F.diag(x), (3, 4)),
    line("diag", lambda F, x: F.diag(x, -1), (3,)),
    line("cat", lambda F, x, y: F.cat((x, y), 1), (3, 4), (3, 2)),
    line("concat", lambda F, x, y: F.concat([x, y]), (3, 4), (2, 4)),
    line("concatenate", lambda F, x, y: F.concatenate([x, y]), (3, 4), (2, 4)),
    line("stack", lambda F, x, y: F.stack((x, y), -1), (3, 4), (3, 4)),
    line("repeat", lambda F, x: F.repeat(x, 2, 1, 3), (3, 4)),
    line("tile", lambda F, x: F.tile(x, (2,)), (3, 4)),
    line("repeat_interleave", lambda F, x: F.repeat_interleave(x, 2, 0), (3, 4)),
    line("repeat_interleave", lambda F, x: F.repeat_interleave(x, indices(F, 1, 0, 2), dim=1), (4, 3)),
    line("flip", lambda F, x: F.flip(x, (0, 1)), (3, 4)),
    line("roll", lambda F, x: F.roll(x, 1, 0), (3, 4)),
    line("roll", lambda F, x: F.roll(x, 2), (3, 4)),
    line("tril", lambda F, x: F.tril(x), (3, 4)),
    line("triu", lambda F, x: F.triu(x, 1), (3, 4)),
    line("pad", lambda F, x: F.pad(x, (1, 2), value=3.0), (3, 4)),
    line("contiguous", lambda F, x: F.contiguous(x.T), (3, 4)),
    line("clone", lambda F, x: F.clone(x), (3, 4)),
]

PLACES = [
    line("getitem", lambda F, x: x[1:, None, ::2], (3, 4)),
    line("getitem", lambda F, x: x[[0, 2, 0]], (3, 4)),
    line("getitem", lambda F, x: x[..., indices(F, 1, 1, 3)], (3, 4)),
    line("getitem", lambda F, x: x[x > 0], (3, 4)),
    line("where", lambda F, x, y: F.where(x > 0, x, y), (3, 4), (4,)),
    line("masked_fill", lambda F, x: F.masked_fill(x, x > 0, 2.0), (3, 4)),
    line("masked_select", lambda F, x: F.masked_select(x, x > 0), (3, 4)),
    line("masked_scatter", lambda F, x, y: F.masked_scatter(x, x > 0, y), (3, 4), (12,)),
    line("gather", lambda F, x: F.gather(x, 1, indices(F, [0, 0], [1, 3], [2, 1])), (3, 4)),
    line("take_along_dim", lambda F, x: F.take_along_dim(x, indices(F, [0, 0], [1, 3], [2, 1]), 1), (3, 4)),
    line("gather", lambda F, x: F.gather(x, 0, zeros(x)), (3, 4)),
    line("take_along_dim", lambda F, x: F.take_along_dim(x, zeros(x), 0), (3, 4)),
    line("take", lambda F, x: F.take(x, zeros(x)), (3, 4)),
    line("take", lambda F, x: F.take(x, indices(F, 0, 5, 5)), (3, 4)),
    line("scatter", lambda F, x, y: F.scatter(x, 1, indices(F, [0, 2], [1, 3]), y), (3, 4), (2, 2)),
    line("scatter", lambda F, x: F.scatter(x, 1, indices(F, [0, 2], [1, 3]), value=2.0), (3, 4)),
    line("scatter_add", lambda F, x, y: F.scatter_add(x, 1, indices(F, [0, 0], [1, 3]), y), (3, 4), (2, 2)),
    line("scatter_add", lambda F, x: F.scatter_add(x, 0, zeros(x), x), (3, 4)),
    line("index_select", lambda F, x: F.index_select(x, 1, indices(F, 3, 0, 0)), (3, 4)),
    line("index_add", lambda F, x, y: F.index_add(x, 0, indices(F, 2, 0, 0), y, alpha=2), (3, 4), (3, 4)),
    line("index_copy", lambda F, x, y: F.index_copy(x, 1, indices(F, 3, 0), y), (3, 4), (3, 2)),
    line("index_copy", lambda F, x: F.index_copy(x, 0, zeros(x)[:1, 0], x[:1]), (3, 4)),
    line("index_fill", lambda F, x: F.index_fill(x, 1, indices(F, 3, 0), 1.5), (3, 4)),
    line("embedding", lambda F, w: F.embedding(indices(F, [0, 2], [2, 1]), w), (3, 4)),
    line("embedding", lambda F, w: F.embedding(indices(F, [0, 2], [2, 1]), w, padding_idx=2), (3, 4), smooth=False),
]

# Operations that only exist in place: the input is cloned, a leaf cannot be changed.
IN_PLACE = [
    line("copy_", lambda F, x, y: x.clone().copy_(y), (3, 4), (4,)),
    line("fill_", lambda F, x, y: x.clone().fill_(y), (3, 4), ()),
    line("zero_", lambda F, x: x.clone().zero_() + x, (3, 4)),
    line("setitem", lambda F, x, y: assigned(x, (slice(1, None), slice(None, None, 2)), y), (3, 4), (2, 2),
         empty=((3, 0), (2, 0))),
    line("setitem", lambda F, x, y: assigned(x, x > 0, y), (3, 4), ()),
]

CONVERSIONS = [
    line("to", lambda F, x: F.to(x, F.float64), (3, 4)),
    line("type", lambda F, x: F.type(x, F.float64), (3, 4)),
    line("type_as", lambda F, x, y: F.type_as(x, y), (3, 4), (3, 4)),
    line("double", lambda F, x: x.double(), (3, 4)),
    line("cpu", lambda F, x: x.cpu() * 2, (3, 4)),
    line("float", lambda F, x: x.float() * 2, (3, 4), smooth=False),
]


def assigned(x, index, value):
    x = x.clone()
    x[index] = value
    return x


LINES = ARITHMETIC + FUNCTIONS + PRODUCTS + REDUCTIONS + SHAPES + PLACES + IN_PLACE + CONVERSIONS


# ---- without gradients -----------------------------------------------------------------------------------------------

def compared(name):
    return line(name, lambda F, x, y: getattr(F, name)(x, y), (3, 4), (4,))


def counted(name):
    """A reduction of all elements, and along one dimension."""
    return [elementwise(name), line(name, lambda F, x: getattr(F, name)(x, 1), (3, 4))]


WITHOUT_GRADIENT = [
    *(compared(name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor",
                                  "bitwise_and", "bitwise_or", "bitwise_xor", "floor_divide", "isclose")),
    *(elementwise(name) for name in ("logical_not", "bitwise_not", "isnan", "isinf", "isfinite", "argwhere", "nonzero",
                                     "unique", "argsort", "numel", "nelement", "dim", "detach", "zeros_like",
                                     "ones_like", "is_floating_point", "is_contiguous", "element_size", "tolist",
                                     "is_inference")),
    line("bool", lambda F, x: x.bool(), (3, 4)),
    line("long", lambda F, x: x.long(), (3, 4)),
    *(x for name in ("any", "all", "argmax", "argmin", "count_nonzero") for x in counted(name)),
    line("any", lambda F, x: F.any(x, (0, 1), keepdim=True), (3, 4)),
    line("sum", lambda F, x: F.sum(x, 1, True, dtype=F.float32), (3, 4)),
    line("mean", lambda F, x: F.mean(x, dtype=F.float64), (3, 4)),
    line("where", lambda F, x: F.where(x > 0), (3, 4)),
    line("size", lambda F, x: [*x.size(), x.size(1)], (3, 4)),
    line("stride", lambda F, x: x.stride(), (3, 4)),
    line("bincount", lambda F, x: F.bincount(x), (5,)),
    line("one_hot", lambda F, x: F.one_hot(x), (5,)),
    line("full_like", lambda F, x: F.full_like(x, 1), (3, 4)),
    line("allclose", lambda F, x: F.allclose(x, x), (3, 4)),
    line("equal", lambda F, x: F.equal(x, x), (3, 4)),
    line("floor_divide", lambda F, x: x // 2, (3, 4)),
    line("mul", lambda F, x: x * 2.5, (3, 4)),
    line("sub", lambda F, x: 2 - x, (3, 4)),
    line("div", lambda F, x: 2 / x, (3, 4), domain="positive"),
    line("remainder", lambda F, x: 5 % x, (3, 4), domain="positive"),
    line("clamp", lambda F, x: F.clamp(x, 1, 2), (3, 4)),
    line("add", lambda F, x: x + F.ones(4, dtype=F.float64), (3, 4)),
]
