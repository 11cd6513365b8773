"""The loader: batches of a dataset, in the order of a sampler."""
import itertools
import warnings

from tinyrnn.autograd.generator import default_generator
from tinyrnn.utils.data.collate import default_collate, default_convert
from tinyrnn.utils.data.dataset import IterableDataset
from tinyrnn.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, number_of_batches

__all__ = ["DataLoader"]

FIXED = {"dataset", "batch_size", "drop_last", "sampler", "batch_sampler"}      # what a loader was made of


class DataLoader:
    """Iterates over batches of a dataset. A new iteration is a new epoch.

    dataset         items by index, or an IterableDataset
    batch_size      items a batch; None: items one by one, as they are
    shuffle         a new random order in each epoch; the same seed gives PyTorch's order
    sampler         the order of the indices, instead of shuffle
    batch_sampler   lists of indices, instead of batch_size, shuffle, sampler and drop_last
    collate_fn      makes the batch from a list of items (default_collate)
    drop_last       leaves out a smaller last batch
    generator       draws the random order, instead of the default generator

    Items are loaded in the training process, when they are asked for: ``num_workers`` other than 0, and what belongs
    to it, raises ValueError.
    """

    def __setattr__(self, name, value):
        if name in FIXED and name in vars(self):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0,
                 collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None,
                 multiprocessing_context=None, generator=None, *, prefetch_factor=None, persistent_workers=False,
                 pin_memory_device="", in_order=True):
        refuse_workers(num_workers=num_workers, pin_memory=pin_memory, timeout=timeout, worker_init_fn=worker_init_fn,
                       multiprocessing_context=multiprocessing_context, prefetch_factor=prefetch_factor,
                       persistent_workers=persistent_workers, pin_memory_device=pin_memory_device)
        if not in_order:
            raise ValueError("in_order=False is not supported: batches always come in order")
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            refuse_order(shuffle=shuffle or None, sampler=sampler, batch_sampler=batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                                 "drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._streams:
                sampler = itertools.repeat(None)        # one None for each item asked for
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last, self.generator = dataset, batch_size, drop_last, generator
        self.sampler, self.batch_sampler, self.num_workers = sampler, batch_sampler, num_workers
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._length_given = None

    def __iter__(self):
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        # PyTorch draws a seed for workers here, even without any: the same draw keeps the same numbers afterwards
        (self.generator or default_generator).random_()
        return self._from_stream(indices) if self._streams else self._from_indices(indices)

    def _from_indices(self, indices):
        for index in indices:
            if self.batch_sampler is None:
                yield self.collate_fn(self.dataset[index])
            elif hasattr(self.dataset, "__getitems__"):
                yield self.collate_fn(self.dataset.__getitems__(index))
            else:
                yield self.collate_fn([self.dataset[i] for i in index])

    def _from_stream(self, indices):
        items, yielded = iter(self.dataset), 0
        for index in indices:
            if self.batch_sampler is None:
                data = list(itertools.islice(items, 1))
            else:
                data = list(itertools.islice(items, len(index)))
            if not data or (self.drop_last and len(data) < len(index)):
                return
            yielded += 1
            if self._length_given is not None and yielded > self._length_given:
                warnings.warn(f"Length of IterableDataset {self.dataset} was reported to be {self._length_given} (when "
                              f"accessing len(dataloader)), but {yielded} samples have been fetched.", stacklevel=2)
            yield self.collate_fn(data[0] if self.batch_sampler is None else data)

    def __len__(self):
        """The number of batches; of an IterableDataset only as right as its own ``__len__``."""
        if not self._streams:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        length = len(self.dataset)
        if self.batch_size is not None:
            length = number_of_batches(length, self.batch_size, self.drop_last)
        self._length_given = length
        return length


def refuse_workers(num_workers, **options):
    if num_workers != 0:
        raise ValueError(f"num_workers={num_workers} is not supported: loading happens in the training process; "
                         "use num_workers=0")
    for name, value in options.items():
        if value:
            raise ValueError(f"{name}={value!r} is not supported: loading happens in the training process")


def refuse_order(**options):
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, "
                             f"but got {name}={value}")
