"""Datasets, samplers, the loader, streams and vocabularies."""
from tinyrnn.utils.data.collate import default_collate, default_convert
from tinyrnn.utils.data.dataloader import DataLoader
from tinyrnn.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tinyrnn.utils.data.sampler import (
    BatchSampler,
    BucketBatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TokenBatchSampler,
    WeightedRandomSampler,
)
from tinyrnn.utils.data.streams import ParallelStreams
from tinyrnn.utils.data.text import (
    Pieces,
    TextError,
    Words,
    read_columns,
    read_lines,
    read_parallel,
    split_by_hash,
)
from tinyrnn.utils.data.vocabulary import Vocabulary

__all__ = [
    "BatchSampler", "BucketBatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "IterableDataset",
    "ParallelStreams", "Pieces", "RandomSampler", "Sampler", "SequentialSampler", "Subset", "SubsetRandomSampler",
    "TensorDataset", "TextError", "TokenBatchSampler", "Vocabulary", "WeightedRandomSampler", "Words",
    "default_collate", "default_convert", "random_split", "read_columns", "read_lines", "read_parallel",
    "split_by_hash",
]
