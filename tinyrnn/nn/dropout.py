"""Dropout."""
from tinyrnn.nn import functional as F
from tinyrnn.nn.module import Module


class Dropout(Module):
    """In training, zeroes every element with probability p and divides the others by 1 - p (Srivastava et al. 2014).

    In evaluation it does nothing. ``inplace`` changes the input itself.
    """

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input):
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"
