from numpy.typing import NDArray

from tinyrnn.autograd.tensor import Tensor

def rnn(
    input: Tensor, h: Tensor | None, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None, *, nonlinearity: str = "tanh", lengths: NDArray | None = None, reverse: bool = False,
) -> tuple[Tensor, Tensor]: ...
def gru(
    input: Tensor, h: Tensor | None, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None, *, reset_after: bool = True, lengths: NDArray | None = None, reverse: bool = False,
) -> tuple[Tensor, Tensor]: ...
def lstm(
    input: Tensor, h: Tensor | None, c: Tensor | None, weight_ih: Tensor, weight_hh: Tensor,
    bias_ih: Tensor | None = None, bias_hh: Tensor | None = None, weight_hr: Tensor | None = None,
    *, lengths: NDArray | None = None, reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]: ...
