from tinyrnn.autograd.tensor cimport Tensor


cdef class Product:
    cdef Tensor dy                  # (..., O)
    cdef Tensor x                   # (..., I)


cdef bint worth_deferring(Tensor dy, Tensor x)
cdef object joined(object waiting, Product g)
cdef object settled(object waiting)
