"""A long sequence as parallel streams of consecutive windows, for truncated backpropagation through time."""
from tinyrnn.autograd.creation import as_tensor
from tinyrnn.utils.data.dataset import Dataset

__all__ = ["ParallelStreams"]


class ParallelStreams(Dataset):
    """One long sequence, cut into B streams that are read side by side, ``steps`` elements at a time.

    Item i is (input, target), each (T, B, ...): window i of every stream, and the same one element later. A row of
    window i + 1 goes on where that row of window i ended, so that its state can be carried over::

        for x, y in ParallelStreams(codes, batch_size=50, steps=100):
            output, state = rnn(embedding(x), detach_state(state))

    sequence    (N, ...): a tensor, array or list
    batch_size  B; every stream has (N - 1) // B inputs, and the up to B - 1 elements at the end are left out
    steps       T of every window but the last, which holds what is left of the streams

    ``offset`` is how much later the target is, 1 unless told otherwise: 0 gives the sequence itself twice.
    """

    def __init__(self, sequence, batch_size, steps, offset=1):
        sequence = as_tensor(sequence)
        if batch_size < 1 or steps < 1 or offset < 0:
            raise ValueError(f"ParallelStreams: batch_size={batch_size} and steps={steps} must be positive, "
                             f"offset={offset} not negative")
        length = (len(sequence) - offset) // batch_size
        if length < 1:
            raise ValueError(f"ParallelStreams: {len(sequence)} elements are too few for {batch_size} streams")
        self.steps = steps
        self.inputs, self.targets = (
            sequence[start:start + length * batch_size].reshape(batch_size, length, *sequence.shape[1:]).transpose(0, 1)
            for start in (0, offset))

    def __len__(self):
        return -(-len(self.inputs) // self.steps)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"ParallelStreams: window {index} of {len(self)}")
        window = slice(index * self.steps, (index + 1) * self.steps)
        return self.inputs[window], self.targets[window]
