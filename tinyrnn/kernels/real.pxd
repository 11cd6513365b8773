"""The one fused type: a kernel written in `real` exists for float32 and for float64."""

ctypedef fused real:
    float
    double
