"""Attention."""
from tinyrnn.autograd import fused_attention, reference
from tinyrnn.autograd.fused import is_fused_enabled
from tinyrnn.nn.linear import Linear
from tinyrnn.nn.module import Module


class AdditiveAttention(Module):
    """Additive attention (Bahdanau et al. 2015, arXiv:1409.0473, appendix A.1.2).

    score_ij = v . tanh(W_q query_i + W_k key_j),   weights = softmax over j,   context_i = sum_j weights_ij value_j

    ``attention(query, keys, values=None, mask=None, projected=None) -> context, weights``

    query     (B, query_size), or (B, Q, query_size) for several queries at once
    keys      (B, S, key_size): the encoder's outputs; values (B, S, V) are what is averaged, the keys if left out
    mask      bool (B, S), True where a source position takes part; a row that is all False gets zeros
    projected what ``project(keys)`` returned: the keys' share of the score, the same for every query of a source, so
              a decoder computes it once
    context   (B, V) or (B, Q, V); weights (B, S) or (B, Q, S) sum to 1 over the source

    ``fused=False`` computes it in primitive operations.
    """

    def __init__(self, query_size, key_size, attention_size, device=None, dtype=None, *, fused=True):
        super().__init__()
        self.fused = fused
        self.W_q = Linear(query_size, attention_size, bias=False, device=device, dtype=dtype)
        self.W_k = Linear(key_size, attention_size, bias=False, device=device, dtype=dtype)
        self.v = Linear(attention_size, 1, bias=False, device=device, dtype=dtype)

    def project(self, keys):
        """(B, S, key_size) -> (B, S, attention_size)"""
        return self.W_k(keys)

    def forward(self, query, keys, values=None, mask=None, projected=None):
        values = keys if values is None else values
        self.check(query, keys, projected, values, mask)
        if projected is None:
            projected = self.project(keys if mask is None else keys.masked_fill(~mask.unsqueeze(-1), 0.0))
        module = fused_attention if self.fused and is_fused_enabled() else reference
        return module.additive_attention(self.W_q(query), projected, values, self.v.weight.squeeze(0), mask)

    def check(self, query, keys, projected, values, mask):
        what, x, features = ("keys", keys, self.W_k.in_features) if projected is None else (
            "projected keys", projected, self.W_k.out_features)
        if x.ndim != 3 or x.shape[2] != features:
            raise ValueError(f"AdditiveAttention: {what} {x.shape}; expected (batch, source, {features})")
        B, S = x.shape[:2]
        if query.ndim not in (2, 3) or query.shape[0] != B or query.shape[-1] != self.W_q.in_features:
            raise ValueError(f"AdditiveAttention: query {query.shape} does not fit; expected "
                             f"({B}, {self.W_q.in_features}) or ({B}, queries, {self.W_q.in_features})")
        if values.ndim != 3 or values.shape[:2] != (B, S):
            raise ValueError(f"AdditiveAttention: values {values.shape} beside keys ({B}, {S}, ...)")
        if mask is not None and (mask.shape != (B, S) or mask.dtype != bool):
            raise ValueError(f"AdditiveAttention: mask {mask.dtype} {mask.shape}; expected bool ({B}, {S})")
