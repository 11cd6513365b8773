"""Layers, containers and losses, with PyTorch's names."""
from tinyrnn.nn import functional, init, utils
from tinyrnn.nn.activation import (
    ELU,
    GELU,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from tinyrnn.nn.attention import AdditiveAttention
from tinyrnn.nn.cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from tinyrnn.nn.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from tinyrnn.nn.decoding import Hypothesis, beam_search, greedy_search
from tinyrnn.nn.dropout import Dropout
from tinyrnn.nn.embedding import Embedding
from tinyrnn.nn.ensemble import Ensemble
from tinyrnn.nn.lengths import length_mask
from tinyrnn.nn.linear import Bilinear, Identity, Linear
from tinyrnn.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from tinyrnn.nn.mixture import Mixture, MixtureDensity
from tinyrnn.nn.module import Module
from tinyrnn.nn.normalization import LayerNorm
from tinyrnn.nn.parameter import Buffer, Parameter
from tinyrnn.nn.recurrent import GRU, LSTM, RNN, RNNBase
from tinyrnn.nn.seq2seq import Decoder, Encoder, Memory, Seq2Seq

__all__ = [
    "AdditiveAttention", "BCELoss", "BCEWithLogitsLoss", "Bilinear", "Buffer", "CrossEntropyLoss", "Decoder",
    "Dropout", "ELU", "Embedding", "Encoder", "Ensemble", "GELU", "GRU", "GRUCell", "GaussianNLLLoss", "Hardtanh",
    "HuberLoss", "Hypothesis", "Identity", "KLDivLoss", "L1Loss", "LSTM", "LSTMCell", "LayerNorm", "LeakyReLU",
    "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "Memory", "Mixture", "MixtureDensity", "Module", "ModuleDict",
    "ModuleList", "NLLLoss", "Parameter", "ParameterDict", "ParameterList", "RNN", "RNNBase", "RNNCell", "RNNCellBase",
    "ReLU", "ReLU6", "Seq2Seq", "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Softsign",
    "Tanh", "beam_search", "functional", "greedy_search", "init", "length_mask", "utils",
]
