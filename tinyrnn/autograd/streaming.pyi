from typing import final

from tinyrnn.autograd.tensor import Tensor

CELLS: dict[str, tuple[int, int]]

@final
class PackedLayer: ...

@final
class Stack: ...

@final
class Stepper:
    def __init__(self, names: tuple[str | None, ...]) -> None: ...
    def step(
        self, module: object, x: Tensor, state: Tensor | tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]: ...
