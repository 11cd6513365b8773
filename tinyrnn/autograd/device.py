"""The device: there is one, the CPU. It exists so that scripts that name it run unchanged."""


class device:
    """``device("cpu")``, as in PyTorch. Any other raises RuntimeError."""

    __slots__ = ("type", "index")

    def __init__(self, type="cpu", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif type == "cpu:0" and index is None:
            type, index = "cpu", 0
        if type != "cpu" or index not in (None, 0):
            raise RuntimeError(f"device: there is only the CPU, not {type!r}" + ("" if index is None else f" {index}"))
        self.type, self.index = type, index

    def __eq__(self, other):
        return isinstance(other, device) and self.index == other.index

    def __hash__(self):
        return hash((self.type, self.index))

    def __repr__(self):
        return f"device(type='cpu'{'' if self.index is None else ', index=0'})"

    def __str__(self):
        return "cpu" if self.index is None else "cpu:0"

    def __reduce__(self):
        return device, (self.type, self.index)


CPU = device()
