"""Sequences read both ways, and words read character by character: what taggers were built of before BERT."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CHARACTER_SIZE = 30  # of a character's embedding (Ma and Hovy, 2016)
WINDOW = 3  # characters that a filter sees at once (the same)
FILTERS = 30  # the same
SPELLING_SIZE = 50  # of a word read both ways by an LSTM (Lample et al., 2016: 25 each)


class BiLstm(nn.Module):
    """[LSTM from the left ; LSTM from the right] at each place; ``hidden_size`` is of both together."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size // 2, batch_first=True, bidirectional=True)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        # sequence: (batch, n, input), mask: (batch, n), True at real places, which come first -> (batch, n, hidden)
        lengths = mask.sum(1).clamp(min=1).cpu()  # packing knows no empty sequence
        packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=sequence.shape[1])
        return states

    def ends(self, states: Tensor, mask: Tensor) -> Tensor:
        """What each direction says when it has read all: the whole sequence in one vector, (batch, hidden)."""
        half = self.hidden_size // 2
        last = mask.sum(1).clamp(min=1) - 1
        rows = torch.arange(len(states), device=states.device)
        return torch.cat((states[rows, last, :half], states[:, 0, half:]), dim=-1)


class CharacterCnn(nn.Module):
    """A word by filters over its characters, each at its highest (Ma and Hovy, 2016)."""

    size = FILTERS

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, CHARACTER_SIZE, padding_idx=0)
        self.filters = nn.Conv1d(CHARACTER_SIZE, FILTERS, WINDOW, padding=WINDOW // 2)

    def forward(self, characters: Tensor) -> Tensor:
        # characters: (batch, words, characters), 0 where there is none -> (batch, words, FILTERS)
        spelled = characters.flatten(0, 1)  # (batch * words, characters)
        mask = _real(spelled)[:, None]  # (batch * words, 1, characters)
        found = self.filters(self.embedding(spelled).transpose(1, 2) * mask)  # (batch * words, FILTERS, characters)
        found = found.masked_fill(~mask, torch.finfo(found.dtype).min)
        return found.amax(-1).view(*characters.shape[:2], FILTERS)


class WordSpelling(nn.Module):
    """What a word's characters add to the embeddings of its subwords: nothing before it is trained."""

    def __init__(self, characters: int, embedding_size: int) -> None:
        super().__init__()
        self.read = CharacterCnn(characters)
        self.project = nn.Linear(self.read.size, embedding_size, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, characters: Tensor, word: Tensor) -> Tensor:
        # characters: (batch, words, characters); word: (batch, subwords), which word each is of, -1: none
        spelled = self.project(self.read(characters))  # (batch, words, embedding)
        of_subword = word.clamp(min=0).unsqueeze(-1).expand(-1, -1, spelled.shape[-1])
        return spelled.gather(1, of_subword) * (word >= 0).unsqueeze(-1)  # (batch, subwords, embedding)


class CharacterLstm(nn.Module):
    """A word by an LSTM over its characters, from both ends (Lample et al., 2016)."""

    size = SPELLING_SIZE

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, CHARACTER_SIZE, padding_idx=0)
        self.lstm = BiLstm(CHARACTER_SIZE, SPELLING_SIZE)

    def forward(self, characters: Tensor) -> Tensor:
        # characters: (batch, words, characters), 0 where there is none -> (batch, words, SPELLING_SIZE)
        spelled = characters.flatten(0, 1)  # (batch * words, characters)
        mask = _real(spelled)
        states = self.lstm(self.embedding(spelled), mask)
        return self.lstm.ends(states, mask).view(*characters.shape[:2], SPELLING_SIZE)


def _real(spelled: Tensor) -> Tensor:
    """Where there is a character; a word of padding counts its first, so that it has something."""
    first = torch.arange(spelled.shape[1], device=spelled.device) == 0
    return (spelled > 0) | first
