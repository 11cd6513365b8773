from typing import Any

import numpy as np

DTYPES: dict[int, np.dtype[Any]]

class ShapeError(ValueError, RuntimeError): ...
class DtypeError(TypeError, RuntimeError): ...
