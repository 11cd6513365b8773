"""An attention encoder-decoder and its training step as people write them for PyTorch (Bahdanau et al. 2015).

`peers/translation.py` runs this file twice: as it stands, and with tinyrnn in the two import lines.
B batch, S source steps, T target steps, E embedding = H hidden, V vocabulary, of the target W; 0 is padding.
"""
import torch
from torch import nn, optim


def drop(p):
    return nn.Dropout(p) if p else nn.Identity()


class Encoder(nn.Module):
    def __init__(self, V, H, dropout):
        super().__init__()
        self.embedding = nn.Embedding(V, H, padding_idx=0)
        self.dropout = drop(dropout)
        self.rnn = nn.GRU(H, H, batch_first=True, bidirectional=True)

    def forward(self, source, lengths):
        """source (B, S) -> states (B, S, 2H), summary (B, 2H)"""
        packed = nn.utils.rnn.pack_padded_sequence(self.dropout(self.embedding(source)), lengths,
                                                   batch_first=True, enforce_sorted=False)
        output, final = self.rnn(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=source.shape[1])
        return states, torch.cat([final[0], final[1]], -1)


class Attention(nn.Module):
    def __init__(self, H):
        super().__init__()
        self.W_q = nn.Linear(H, H, bias=False)
        self.W_k = nn.Linear(2 * H, H, bias=False)
        self.v = nn.Linear(H, 1, bias=False)

    def forward(self, query, states, keys, mask):
        """query (B, H), states (B, S, 2H), keys (B, S, H), mask (B, S) -> context (B, 2H)"""
        scores = self.v(torch.tanh(self.W_q(query).unsqueeze(1) + keys)).squeeze(-1)
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), -1)
        return torch.bmm(weights.unsqueeze(1), states).squeeze(1)


class Decoder(nn.Module):
    def __init__(self, W, H, dropout):
        super().__init__()
        self.embedding = nn.Embedding(W, H, padding_idx=0)
        self.dropout = drop(dropout)
        self.attention = Attention(H)
        self.cell = nn.GRUCell(3 * H, H)
        self.bridge = nn.Linear(2 * H, H)
        self.readout = nn.Linear(4 * H, H)
        self.output = nn.Linear(H, W)

    def forward(self, target, states, summary, mask):
        """target (B, T) -> logits (B, T, W)"""
        keys = self.attention.W_k(states)
        state = torch.tanh(self.bridge(summary))
        known = []
        for embedded in self.dropout(self.embedding(target)).unbind(1):
            context = self.attention(state, states, keys, mask)
            state = self.cell(torch.cat([embedded, context], -1), state)
            known.append(torch.cat([state, embedded, context], -1))
        return self.output(self.dropout(torch.tanh(self.readout(torch.stack(known, 1)))))


class Translator(nn.Module):
    def __init__(self, V, H, W=None, dropout=0.0):
        super().__init__()
        self.encoder = Encoder(V, H, dropout)
        self.decoder = Decoder(W or V, H, dropout)

    def forward(self, source, lengths, target):
        states, summary = self.encoder(source, lengths)
        mask = torch.arange(source.shape[1]) < lengths.unsqueeze(1)
        return self.decoder(target, states, summary, mask)


class Training:
    def __init__(self, model):
        self.model = model
        self.optimizer = optim.Adam(model.parameters(), lr=1e-3)
        self.criterion = nn.CrossEntropyLoss(ignore_index=0)

    def step(self, source, lengths, target):
        """source (B, S), lengths (B,), target (B, T + 1) -> the loss of predicting target[:, 1:]"""
        self.optimizer.zero_grad()
        logits = self.model(source, lengths, target[:, :-1])
        loss = self.criterion(logits.flatten(0, 1), target[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()
