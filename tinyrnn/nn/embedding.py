"""Embedding: a table of vectors."""
from tinyrnn.autograd.creation import empty
from tinyrnn.nn import functional as F
from tinyrnn.nn import init
from tinyrnn.nn.module import Module
from tinyrnn.nn.parameter import Parameter


class Embedding(Module):
    """y = W[i]: input (...) of indices in [0, num_embeddings) -> (..., embedding_dim).

    The table W starts from N(0, 1). The row ``padding_idx`` starts at zero and gets no gradient. ``max_norm``: before
    the look-up, rows that are used and longer than this (in the p-norm of ``norm_type``) are shortened, in place.
    ``scale_grad_by_freq`` divides the gradient of a row by how often it was used. ``sparse=True`` raises.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0,
                 scale_grad_by_freq=False, sparse=False, device=None, dtype=None):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = row_index(padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if sparse:
            raise NotImplementedError("Embedding: sparse gradients do not exist here; use sparse=False")
        self.weight = Parameter(empty((num_embeddings, embedding_dim), dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self):
        values = init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(values.data[self.padding_idx])

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None, max_norm=None, norm_type=2.0,
                        scale_grad_by_freq=False, sparse=False):
        """A layer on the memory of a table (num_embeddings, embedding_dim); ``freeze`` keeps it out of training."""
        if embeddings.ndim != 2:
            raise ValueError(f"Embeddings parameter is expected to be 2-dimensional, not {embeddings.shape}")
        layer = cls(0, embeddings.shape[1], None, max_norm, norm_type, scale_grad_by_freq, sparse)
        layer.num_embeddings = embeddings.shape[0]
        layer.padding_idx = row_index(padding_idx, layer.num_embeddings)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self):
        shown = [str(self.num_embeddings), str(self.embedding_dim)]
        for name, default in ("padding_idx", None), ("max_norm", None), ("norm_type", 2), ("scale_grad_by_freq", False):
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        return ", ".join(shown)


def row_index(padding_idx, rows):
    """A padding index, counted from the end if negative, as a row of the table; None stays None."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"Padding_idx must be within num_embeddings: {padding_idx} for {rows} rows")
    return padding_idx % rows
