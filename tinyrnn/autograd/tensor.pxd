from numpy cimport ndarray


cdef class Version:
    cdef long count                 # in-place changes so far of one piece of memory
    cdef long unwatched             # those through .data, which backward does not mind
    cdef Version watched            # of a tensor from .data: the counter of the tensor it came from


cdef class Node:
    cdef tuple inputs               # one entry an input: its Node, the leaf Tensor itself, or None: no gradient wanted
    cdef object backward            # backward(y, dy) -> a gradient for every input
    cdef tuple saved                # the tensors whose values backward reads; None: freed
    cdef long versions              # the sum of their versions, and the output's, when they were saved
    cdef ndarray output             # the output's values, where backward reads them; not the tensor: that were a cycle
    cdef Version output_version
    cdef tuple shape                # of the output, and so of dy; None: several outputs
    cdef int type_num
    cdef bint adds                  # backward(y, dy, sums) may add to the gradients that wait for the inputs
    cdef dict hooks                 # called with dy
    cdef object retained            # a weak reference to the tensor that wants dy as its .grad
    cdef object __weakref__


cdef class Tensor:
    cdef readonly ndarray array     # the values
    cdef bint requires              # a gradient is wanted for it, or for something it was made from
    cdef bint inference             # made in inference mode
    cdef bint retains               # keeps .grad although it is no leaf
    cdef Node node                  # how it was made; None for a leaf
    cdef Tensor gradient            # .grad
    cdef Version version            # shared by all tensors on the same memory; None: never shared, saved or changed
    cdef Tensor source              # the tensor it is a view of
    cdef tuple replay               # (operation, *arguments) that makes this view of its source; None: made in no_grad
    cdef long seen                  # the version its node was made for
    cdef dict hooks
    cdef object __weakref__


cdef class Part:
    cdef Tensor values
    cdef tuple replay


cdef int get_mode() noexcept nogil
cdef int set_mode(int mode) noexcept nogil
cdef Tensor wrap(ndarray array)
cdef Version version_of(Tensor x)
cdef long writes_to(Tensor x)
cdef int changed(Tensor x) except -1
cdef bint owned(Tensor x)
cdef int renew_chain(Tensor x) except -1
cdef int follow(Tensor x, Node node) except -1

cdef enum:
    RECORDING = 1
    INFERENCE = 2


cdef inline int refresh(Tensor x) except -1:
    """A view whose memory was changed in place since it was made gets its history anew."""
    return 0 if x.source is None or x.seen == x.version.count else renew_chain(x)


cdef inline bint requires_now(Tensor x) except -1:
    """Whether a gradient is wanted for x, after what has been written to the memory that it is a view of."""
    refresh(x)
    return x.requires
