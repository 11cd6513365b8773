"""Einstein's summation convention, two operands at a time: each step is one matrix product.

There is no backward here: every step is an operation that has its own.
"""
from numpy cimport import_array

from tinyrnn.autograd.tensor cimport Tensor

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(equation, *operands):
    """The product of all operands, summed over the labels that the output does not have.

    ``"bij,bjk->bik"`` is a batch of matrix products, ``"ii->i"`` a diagonal, ``"ii"`` a trace, ``"...i,i"`` a product
    with the last dimension. Without an arrow the output has the labels that occur once, in alphabetical order, after
    the dimensions of the ellipsis. Lengths of 1 broadcast. Instead of a string there may be lists of numbers from 0
    to 51 (and Ellipsis): ``einsum(a, [0, 1], b, [1, 2], [0, 2])``. Operands are multiplied from left to right.
    """
    cdef Tensor y, x
    if isinstance(equation, Tensor):
        equation, operands = spelled((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, output = parsed(equation, operands)
    sizes = sizes_of(equation, inputs, operands)
    ready = [prepared(equation, x, labels, sizes) for x, labels in zip(operands, inputs)]
    y, have = ready[0]
    for i in range(1, len(ready)):
        x, labels = ready[i]
        y, have = pair(y, have, x, labels, set(output).union(*[rest for _, rest in ready[i + 1:]]))
    y, have = summed(y, have, output)
    return ordered(y, have, output)


# ---- reading ---------------------------------------------------------------------------------------------------------

cdef tuple spelled(tuple arguments):
    """The form with lists as (equation, operands)."""
    terms = []
    for labels in arguments[1::2] + (arguments[-1:] if len(arguments) % 2 else ()):
        if not isinstance(labels, (list, tuple)):
            raise TypeError(f"einsum: expected a list of labels after each operand, not {type(labels).__name__}")
        for n in labels:
            if n is not Ellipsis and not 0 <= n < 52:
                raise ValueError(f"einsum: labels are numbers from 0 to 51, not {n}")
        terms.append("".join(["..." if n is Ellipsis else ALPHABET[n] for n in labels]))
    count = len(arguments) // 2
    arrow = "->" + terms[count] if len(terms) > count else ""
    return ",".join(terms[:count]) + arrow, arguments[:2 * count:2]


cdef tuple parsed(str equation, tuple operands):
    """The labels of every operand, and those of the output. Dimensions of an ellipsis are ..., -2, -1."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    for x in operands:
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum: expected tensors, not {type(x).__name__}")
        if x.dtype != operands[0].dtype:
            raise DtypeError(f"einsum: {operands[0].dtype} and {x.dtype} do not mix; convert one with .to(dtype)")
    if len(terms) != len(operands):
        raise ShapeError(f'einsum: "{equation}" names {len(terms)} operands, but there are {len(operands)}')
    inputs = [labels_of(equation, term, x.ndim) for term, x in zip(terms, operands)]
    every = [label for labels in inputs for label in labels]
    dots = sorted({label for label in every if isinstance(label, int)})
    if arrow:
        output = labels_of(equation, right, len(right.replace("...", "")) + (len(dots) if "..." in right else 0))
    else:
        output = dots + sorted([label for label in set(every) - set(dots) if every.count(label) == 1])
    if len(set(output)) != len(output) or not set(output) <= set(every):
        raise ShapeError(f'einsum: "{equation}": the output must name labels of the operands, each once')
    return inputs, output


cdef list labels_of(str equation, str term, int ndim):
    before, dots, after = term.partition("...")
    if not all([letter in ALPHABET for letter in before + after]):
        raise ShapeError(f'einsum: "{equation}": labels are letters, "..." may occur once in a term')
    hidden = ndim - len(before + after)
    if hidden < 0 or (hidden and not dots):
        raise ShapeError(f'einsum: "{equation}": "{term}" does not fit an operand of {ndim} dimensions')
    return [*before, *range(-hidden, 0), *after]


cdef dict sizes_of(str equation, list inputs, tuple operands):
    """The length of every label."""
    sizes = {}
    for labels, x in zip(inputs, operands):
        for label, n in zip(labels, x.shape):
            before = sizes.get(label, 1)
            if n != 1 and before != 1 and n != before:
                shapes = " and ".join([str(x.shape) for x in operands])
                raise ShapeError(f'einsum: "{equation}": lengths {before} and {n} for one label in {shapes}')
            sizes[label] = before if n == 1 else n
    return sizes


# ---- one operand -----------------------------------------------------------------------------------------------------

cdef tuple prepared(str equation, Tensor x, list labels, dict sizes):
    """x with each label once, without the dimensions of length 1 that would be broadcast."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(f'einsum: "{equation}": the label {label} is repeated with lengths {x.shape[i]} and '
                                 f'{x.shape[j]}')
            x = x.diagonal(0, i, j)
            labels = labels[:i] + labels[i + 1:j] + labels[j + 1:] + [label]
    kept = [i for i, label in enumerate(labels) if x.shape[i] == sizes[label]]
    if len(kept) < len(labels):
        x = x.reshape(tuple([x.shape[i] for i in kept]))
    return x, [labels[i] for i in kept]


cdef tuple summed(Tensor x, list labels, object kept):
    """x summed over the labels that are not kept."""
    gone = [i for i, label in enumerate(labels) if label not in kept]
    if not gone:
        return x, labels
    return x.sum(gone), [label for label in labels if label in kept]


cdef Tensor ordered(Tensor x, list labels, list wanted):
    return x if labels == wanted else x.permute(tuple([labels.index(label) for label in wanted]))


# ---- two operands ----------------------------------------------------------------------------------------------------

cdef tuple pair(Tensor a, list in_a, Tensor b, list in_b, set later):
    """The product of two operands, summed over what they share and nobody needs later."""
    a, in_a = summed(a, in_a, later.union(in_b))
    b, in_b = summed(b, in_b, later.union(in_a))
    batch = [label for label in in_a if label in in_b and label in later]
    shared = [label for label in in_a if label in in_b and label not in later]
    rest_a, rest_b = [label for label in in_a if label not in in_b], [label for label in in_b if label not in in_a]
    a, b = ordered(a, in_a, batch + rest_a + shared), ordered(b, in_b, batch + shared + rest_b)
    lengths = dict(zip(batch + rest_a + shared, a.shape)) | dict(zip(batch + shared + rest_b, b.shape))
    labels = batch + rest_a + rest_b
    if not shared:
        head = tuple([lengths[label] for label in batch])
        tail = tuple([lengths[label] for label in rest_b])
        return a.reshape(a.shape + (1,) * len(rest_b)) * b.reshape(head + (1,) * len(rest_a) + tail), labels
    if batch and not rest_a and not rest_b:
        return (a * b).sum(tuple(range(len(batch), a.ndim))), labels
    n, rows, k, columns = [product(lengths, part) for part in (batch, rest_a, shared, rest_b)]
    if batch:
        y = a.reshape(n, rows, k) @ b.reshape(n, k, columns)
    else:
        y = a.reshape(rows, k) @ b.reshape(k, columns)
    return y.reshape(tuple([lengths[label] for label in labels])), labels


cdef Py_ssize_t product(dict lengths, list labels):
    cdef Py_ssize_t n = 1
    for label in labels:
        n *= lengths[label]
    return n
