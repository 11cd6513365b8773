"""The tables of loops in pointwise.h, under the names of the operations."""

cdef extern from "pointwise.h":
    ctypedef void (*unary_loop)(const void* x, void* y, Py_ssize_t n) noexcept nogil
    ctypedef void (*binary_loop)(
        const void* a, Py_ssize_t step_a, const void* b, Py_ssize_t step_b, void* y, Py_ssize_t n) noexcept nogil
    ctypedef struct unary_loops:
        unary_loop f32
        unary_loop f64
    ctypedef struct binary_loops:
        binary_loop f32
        binary_loop f64
    const unary_loops neg_loops, absolute_loops, sign_loops, reciprocal_loops, sqrt_loops, rsqrt_loops
    const unary_loops exp_loops, expm1_loops, log_loops, log1p_loops, sin_loops, cos_loops, erf_loops
    const unary_loops log2_loops, log10_loops, floor_loops, ceil_loops, round_loops, trunc_loops, frac_loops
    const unary_loops tanh_loops, sigmoid_loops, logsigmoid_loops, relu_loops, silu_loops, gelu_loops, gelu_tanh_loops
    const unary_loops accumulate_loops, square_loops, cube_loops
    const binary_loops add_loops, sub_loops, mul_loops, div_loops, pow_loops, maximum_loops, minimum_loops
    const binary_loops remainder_loops, floor_divide_loops, eq_loops, ne_loops, lt_loops, le_loops, gt_loops
    const binary_loops ge_loops, fmod_loops, leaky_relu_loops, elu_loops, softplus_loops
    const binary_loops leaky_relu_slope_loops, elu_slope_loops, softplus_slope_loops
    const binary_loops tanh_backward_loops, sigmoid_backward_loops, relu_backward_loops, logsigmoid_backward_loops
    const binary_loops silu_backward_loops, gelu_backward_loops
