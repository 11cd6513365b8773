"""Matrix products. All of them go through one door, ``product.multiply``."""
from numpy cimport (
    NPY_BOOL, PyArray_DIMS, PyArray_NDIM, PyArray_SwapAxes, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport add_to_rows, shape_of
from tinyrnn.autograd.deferred cimport Product, worth_deferring
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.ops_arithmetic cimport multiple
from tinyrnn.autograd.product cimport batched_into, multiply
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, requires_now, wrap

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import in_place
from tinyrnn.autograd.ops_einsum import einsum

import_array()


# ---- what fits -------------------------------------------------------------------------------------------------------

cdef int same_dtype(str name, Tensor a, Tensor b) except -1:
    if PyArray_TYPE(a.array) != PyArray_TYPE(b.array):
        raise DtypeError(f"{name}: {a.dtype} {a.shape} and {b.dtype} {b.shape} do not mix; convert one with .to(dtype)")
    if PyArray_TYPE(a.array) == NPY_BOOL:
        raise DtypeError(f"{name}: there is no product of truth values; convert them with .to(dtype)")
    return 0


cdef int expect(str name, Tensor a, int ndim_a, Tensor b, int ndim_b, str sign="@") except -1:
    """Raises unless both have that many dimensions and the inner ones agree."""
    cdef ndarray x = a.array, y = b.array
    same_dtype(name, a, b)
    if PyArray_NDIM(x) != ndim_a or PyArray_NDIM(y) != ndim_b \
            or PyArray_DIMS(x)[ndim_a - 1] != PyArray_DIMS(y)[0 if ndim_b < 3 else ndim_b - 2]:
        raise ShapeError(f"{name}: {a.shape} {sign} {b.shape}")
    return 0


cdef bint fits(ndarray a, ndarray b) noexcept:
    """Whether (..., M, K) and (..., K, N) can be multiplied."""
    cdef int i, n = PyArray_NDIM(a), m = PyArray_NDIM(b)
    cdef Py_ssize_t s, t
    if PyArray_DIMS(a)[n - 1] != PyArray_DIMS(b)[m - 2]:
        return False
    for i in range(3, (n if n < m else m) + 1):
        s, t = PyArray_DIMS(a)[n - i], PyArray_DIMS(b)[m - i]
        if s != t and s != 1 and t != 1:
            return False
    return True


cdef Tensor transposed(Tensor x):
    """x with its last two dimensions swapped. While nothing is recorded, a bare view of the array does."""
    cdef int n = PyArray_NDIM(x.array)
    if get_mode() == RECORDING:
        return x.transpose(-2, -1)
    return wrap(PyArray_SwapAxes(x.array, n - 2, n - 1))


# ---- two tensors -----------------------------------------------------------------------------------------------------

def matmul(Tensor input not None, Tensor other not None):
    """y = a @ b: (..., M, K) @ (..., K, N) -> (..., M, N), leading dimensions broadcast.    da = dy b^T,  db = a^T dy

    A vector on the left is one row, on the right one column, which the result does not have; two vectors give a number.
    """
    cdef Tensor a = input, b = other, kept_a, kept_b
    cdef int n = PyArray_NDIM(a.array), m = PyArray_NDIM(b.array)
    cdef bint flat = m == 2 and n > 2               # one b for all rows of a: so for its gradient
    same_dtype("matmul", a, b)
    if n == 0 or m == 0:
        raise ShapeError(f"matmul: {a.shape} @ {b.shape}: both need at least one dimension; use * for numbers")
    if n == 1 or m == 1:
        return with_vector(a, b)
    if not fits(a.array, b.array):
        raise ShapeError(f"matmul: {a.shape} @ {b.shape}")
    kept_a, kept_b = (a if requires_now(b) else None), (b if requires_now(a) else None)

    def backward(y, dy, sums):
        da = db = None
        if kept_b is not None:
            da = product(dy, transposed(kept_b), None if sums is None else sums[0])
        if kept_a is not None and flat:
            db = weight_gradient(kept_a, dy)
        elif kept_a is not None:
            db = product(transposed(kept_a), dy, None if sums is None else sums[1])
        return da, db
    return record(multiply(a.array, b.array), (a, b), backward, (kept_a, kept_b), True)


cdef Tensor product(Tensor a, Tensor b, Tensor sum):
    """a b, or for a batch that fits the sum that waits plus a b: a decoder weighs the same values in every step."""
    cdef tuple batch = shape_of(a.array)[:-2]
    if sum is None or not batch or batch != shape_of(b.array)[:-2] or shape_of(sum.array) \
            != batch + (PyArray_DIMS(a.array)[len(batch)], PyArray_DIMS(b.array)[len(batch) + 1]):
        return matmul(a, b)
    batched_into(sum.array, a.array, b.array, True)
    return sum


cdef Tensor weight_gradient(Tensor x, Tensor dy):
    """x^T dy over all rows: (..., K), (..., N) -> (K, N)"""
    return matmul(rows_of(x).transpose(0, 1), rows_of(dy))


cdef Tensor rows_of(Tensor x):
    """(..., K) as a matrix."""
    cdef tuple shape = shape_of(x.array)
    cdef Py_ssize_t rows = 1
    if len(shape) == 2:
        return x
    for n in shape[:-1]:
        rows *= n
    return x.reshape(rows, shape[-1])


cdef Tensor with_vector(Tensor a, Tensor b):
    cdef Tensor row = a.reshape(1, a.shape[0]) if a.ndim == 1 else a
    cdef Tensor column = b.reshape(b.shape[0], 1) if b.ndim == 1 else b
    cdef Tensor y
    if not fits(row.array, column.array):
        raise ShapeError(f"matmul: {a.shape} @ {b.shape}")
    y = matmul(row, column)
    shape = y.shape
    return y.reshape(shape[:-2] + (shape[-2:-1] if a.ndim > 1 else ()) + (shape[-1:] if b.ndim > 1 else ()))


def mm(Tensor input not None, Tensor mat2 not None):
    """The product of two matrices; see :func:`matmul`."""
    expect("mm", input, 2, mat2, 2)
    return matmul(input, mat2)


def bmm(Tensor input not None, Tensor mat2 not None):
    """The products of two batches of matrices, (B, M, K) and (B, K, N); nothing is broadcast. See :func:`matmul`."""
    expect("bmm", input, 3, mat2, 3)
    if PyArray_DIMS(input.array)[0] != PyArray_DIMS(mat2.array)[0]:
        raise ShapeError(f"bmm: {input.shape} @ {mat2.shape}")
    return matmul(input, mat2)


def mv(Tensor input not None, Tensor vec not None):
    """The product of a matrix and a vector; see :func:`matmul`."""
    expect("mv", input, 2, vec, 1)
    return matmul(input, vec)


def dot(Tensor input not None, Tensor tensor not None):
    """The sum of the products of two vectors' elements."""
    expect("dot", input, 1, tensor, 1)
    return matmul(input, tensor)


def inner(Tensor input not None, Tensor other not None):
    """The dot products of all rows of a with all rows of b: (..., K), (___, K) -> (..., ___). A number multiplies."""
    same_dtype("inner", input, other)
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner: {input.shape} and {other.shape}")
    return matmul(rows_of(input), rows_of(other).transpose(0, 1)).reshape(input.shape[:-1] + other.shape[:-1])


def outer(Tensor input not None, Tensor vec2 not None):
    """y_ij = a_i b_j of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, not {input.shape} and {vec2.shape}")
    return input.reshape(-1, 1) * vec2


# ---- product and sum -------------------------------------------------------------------------------------------------

cdef Tensor added(str name, Tensor input, Tensor product, object beta, object alpha):
    """beta input + alpha product; with beta = 0 the input is not looked at, so that its NaN stay out."""
    same_dtype(name, input, product)
    try:
        grown = np.broadcast_shapes(input.shape, product.shape) != product.shape
    except ValueError:
        grown = True
    if grown:
        raise ShapeError(f"{name}: {input.shape} cannot be broadcast to the product's {product.shape}")
    product = multiple(name, alpha, product)
    return product if beta == 0 else multiple(name, beta, input) + product


def addmm(Tensor input not None, Tensor mat1 not None, Tensor mat2 not None, *, beta=1, alpha=1):
    """y = beta input + alpha mat1 @ mat2"""
    expect("addmm", mat1, 2, mat2, 2)
    return added("addmm", input, matmul(mat1, mat2), beta, alpha)


def addmv(Tensor input not None, Tensor mat not None, Tensor vec not None, *, beta=1, alpha=1):
    """y = beta input + alpha mat @ vec"""
    expect("addmv", mat, 2, vec, 1)
    return added("addmv", input, matmul(mat, vec), beta, alpha)


def baddbmm(Tensor input not None, Tensor batch1 not None, Tensor batch2 not None, *, beta=1, alpha=1):
    """y = beta input + alpha batch1 @ batch2 for batches of matrices"""
    return added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def linear(Tensor input not None, Tensor weight not None, Tensor bias=None):
    """y = x W^T + b: x (..., I), W (O, I), b (O,) -> (..., O).    dx = dy W,  dW = dy^T x,  db = sum dy

    A weight of shape (I,) gives (...).
    """
    cdef Tensor x = input, kept_x, kept_w
    cdef ndarray y
    same_dtype("linear", x, weight)
    if weight.ndim == 1:
        product = matmul(x, weight)
        return product if bias is None else added("linear", bias, product, 1, 1)
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(f"linear: {x.shape} with a weight of {weight.shape}")
    if bias is not None:
        same_dtype("linear", x, bias)
        if bias.shape != weight.shape[:1]:
            raise ShapeError(f"linear: a bias of {bias.shape} beside a weight of {weight.shape}")
    y = multiply(x.array if x.ndim > 1 else x.array.reshape(1, -1), weight.array.T)
    if x.ndim == 1:
        y = y[0]
    if bias is not None:
        add_to_rows(y, bias.array)
    kept_x, kept_w = (x if requires_now(weight) else None), (weight if requires_now(x) else None)

    def backward(y, dy):
        dx = dw = None
        if kept_w is not None:
            dx = matmul(dy, kept_w)
        if kept_x is not None:
            later = get_mode() != RECORDING and worth_deferring(dy, kept_x)
            dw = Product(dy, kept_x) if later else weight_gradient(dy, kept_x)
        return dx, dw, dy
    return record(y, (x, weight, bias), backward, (kept_x, kept_w))


def bilinear(Tensor input1 not None, Tensor input2 not None, Tensor weight not None, Tensor bias=None):
    """y_o = sum_ij x1_i W_oij x2_j + b_o: x1 (..., I), x2 (..., J), W (O, I, J), b (O,) -> (..., O)"""
    same_dtype("bilinear", input1, weight)
    same_dtype("bilinear", input2, weight)
    if weight.ndim != 3 or input1.ndim == 0 or input2.ndim == 0 or input1.shape[:-1] != input2.shape[:-1] \
            or input1.shape[-1] != weight.shape[1] or input2.shape[-1] != weight.shape[2]:
        raise ShapeError(f"bilinear: {input1.shape} and {input2.shape} with a weight of {weight.shape}")
    y = einsum("ni,oij,nj->no", rows_of(input1), weight, rows_of(input2)).reshape(input1.shape[:-1] + weight.shape[:1])
    return y if bias is None else added("bilinear", bias, y, 1, 1)


addmm_, addmv_, baddbmm_ = in_place(addmm), in_place(addmv), in_place(baddbmm)
