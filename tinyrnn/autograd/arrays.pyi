from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

DTYPES: dict[int, np.dtype[Any]]

def cast(a: ArrayLike, kind: DTypeLike) -> np.ndarray: ...

class ShapeError(ValueError, RuntimeError): ...
class DtypeError(TypeError, RuntimeError): ...
