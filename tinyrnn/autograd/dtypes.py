"""The four dtypes, under PyTorch's names. They are NumPy's own dtype objects."""
import numpy as np

from tinyrnn.autograd.arrays import DtypeError

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int64 = np.dtype(np.int64)
bool = np.dtype(np.bool_)
float, double, long = float32, float64, int64

SUPPORTED = (float32, float64, int64, bool)


def as_dtype(operation, dtype):
    """``dtype`` as one of the four, or None as it is. Python's float, int and bool are float64, int64 and bool."""
    if dtype is None:
        return None
    try:
        result = np.dtype(dtype)
    except TypeError:
        result = None
    if result is None or result not in SUPPORTED:           # to NumPy, None == float64
        raise DtypeError(f"{operation}: the dtype must be float32, float64, int64 or bool, not {dtype!r}")
    return result
