"""What every tagger shares: the text encoder, the word shapes, the CRF, and what a forward pass returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.errors import ConfigError, DataError
from umt_core.features import CHARACTER_COUNT, SHAPES, Batch, word_of_subword
from umt_core.labels import (
    SUBWORD_ESD_TAGS,
    SUBWORD_TAGS,
    WORD_ESD_TAGS,
    WORD_TAGS,
    TagSet,
    conversion_matrix,
    is_allowed,
)
from umt_core.model.crf import LinearChainCRF
from umt_core.model.fusion import AdaptiveCoAttention, Fused, VisualAttention
from umt_core.model.lstm import WordSpelling
from umt_core.model.mmi import Interaction
from umt_core.model.visual import VisualProjection


@dataclass(slots=True)
class Output:
    """What one forward pass gives. ``n`` is words, or subwords where tags are on subwords.

    The interaction's attention maps are (batch, heads, query, key) over subwords and 49 blocks. Where the tweets of
    a batch have several pictures, ``batch`` counts pictures.
    """

    emissions: Tensor  # (batch, n, tags), what the CRF reads
    mask: Tensor  # (batch, n)
    main_emissions: Tensor | None = None  # (batch, n, tags), before ESD is mixed in
    esd_emissions: Tensor | None = None  # (batch, n, esd tags)
    converted_esd: Tensor | None = None  # (batch, n, tags), as it is added
    interaction: Interaction | None = None  # attention maps and gate, of MT and UMT
    fused: Fused | None = None  # attention (batch, n, 49) and gate, of GVATT and AdaCAN
    losses: dict[str, Tensor] = field(default_factory=dict)  # terms by name; "total" is what is minimised


def init_added_weights(module: nn.Module, std: float = 0.02) -> None:
    """BERT's initial weights for the layers that are added to it."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class Tagger(nn.Module):
    """A system: ``forward(batch) -> Output``, ``decode(output) -> tags``.

    Subclasses set ``name`` and what they use, add their parts and write ``forward``.

    Raises:
        ConfigError: ``max_subwords`` is more than the encoder has positions for.
        BackboneError: adapters are wanted, and the library that makes them is not installed.
    """

    name: ClassVar[str]
    uses_image: ClassVar[bool] = False
    uses_esd: ClassVar[bool] = False
    uses_characters: bool = False  # reads ``Batch.characters``; every system does where words are spelled

    def __init__(self, settings: ModelSettings, encoder: TextEncoder) -> None:
        super().__init__()
        if settings.max_subwords > encoder.max_length:
            raise ConfigError(
                f"setting max_subwords: {encoder.name} reads at most {encoder.max_length}, got {settings.max_subwords}"
            )
        self.settings = settings
        words = settings.tagging == "word"
        self.tag_set: TagSet = WORD_TAGS if words else SUBWORD_TAGS
        self.esd_tag_set: TagSet = WORD_ESD_TAGS if words else SUBWORD_ESD_TAGS
        self.encoder = encoder
        if settings.adapter_rank:
            encoder.add_adapters(settings.adapter_rank)
        self.dropout = nn.Dropout(settings.dropout)
        # Left open (None) it is decided where the tokenizer is known, before a system is built.
        self.word_shape = (
            nn.Embedding(len(SHAPES), encoder.embedding_size, padding_idx=0) if settings.word_shape else None
        )
        if self.word_shape is not None:
            nn.init.zeros_(self.word_shape.weight)  # starts as the encoder was published
        self.word_spelling = WordSpelling(CHARACTER_COUNT, encoder.embedding_size) if settings.word_spelling else None
        self.uses_characters = self.uses_characters or settings.word_spelling
        # Zero, as the tagger's own tweets have it at any time.
        self.other_set = nn.Parameter(torch.zeros(encoder.embedding_size)) if settings.other_set else None
        self.crf = self.make_crf()

    def make_crf(self) -> LinearChainCRF:
        return LinearChainCRF(len(self.tag_set), self._forbidden(self.tag_set))

    def encode(self, batch: Batch) -> Tensor:
        """C of section 2.2, after dropout: (batch, subwords, hidden)."""
        if batch.embedded is not None:
            return self.dropout(self.encoder(batch.subwords, batch.mask, embedded=batch.embedded))
        return self.dropout(self.encoder(batch.subwords, batch.mask, self._added(batch)))

    def embed(self, batch: Batch) -> Tensor:
        """What the text encoder reads, each subword with its word's shape and spelling: (batch, subwords, embedding).

        As ``Batch.embedded`` it gives the same answer as the subwords themselves.
        """
        words, added = self.encoder.embed(batch.subwords), self._added(batch)
        return words if added is None else words + added

    def _added(self, batch: Batch) -> Tensor | None:
        """What joins the embeddings, (batch, subwords or 1, embedding): shapes, spelling, the mark of the other set."""
        added = []
        if self.word_shape is not None:
            added.append(self.word_shape(batch.shapes))
        if self.word_spelling is not None:
            added.append(self.word_spelling(self.characters(batch), word_of_subword(batch)))
        if self.other_set is not None and batch.other_set is not None:
            added.append(batch.other_set[:, None, None] * self.other_set)  # (batch, 1, embedding)
        return sum(added[1:], start=added[0]) if added else None

    def at_words(self, scores: Tensor, batch: Batch) -> Tensor:
        """Scores where tags are: at each word's first subword, or at all subwords."""
        # scores: (batch, subwords, tags) -> (batch, n, tags)
        if self.settings.tagging == "subword":
            return scores
        return scores.gather(1, batch.starts.unsqueeze(-1).expand(-1, -1, scores.shape[-1]))

    def regions(self, batch: Batch) -> Tensor:
        """U of section 2.2: (batch, 49, channels), or (pictures, 49, channels) where tweets have several.

        Raises:
            DataError: the batch was made without them.
        """
        if batch.regions is None:
            raise DataError(f"{self.name} wanted the regions of pictures (zeros where there is none), got none")
        return batch.regions

    def characters(self, batch: Batch) -> Tensor:
        """The characters of words, (batch, words, characters).

        Raises:
            DataError: the batch was made without them.
        """
        if batch.characters is None:
            raise DataError(f"{self.name} wanted the characters of words, got none")
        return batch.characters

    def tag_mask(self, batch: Batch) -> Tensor:
        return batch.mask if self.settings.tagging == "subword" else batch.word_mask

    def finish(self, output: Output, batch: Batch) -> Output:
        """Add the main loss where the batch has targets."""
        if batch.tags is not None:
            main = self.crf.loss(output.emissions, batch.tags, output.mask)
            output.losses = {"main": main, "total": main}
        return output

    def forward(self, batch: Batch) -> Output:
        raise NotImplementedError

    def decode(self, output: Output) -> list[list[str]]:
        """Most probable tags of each tweet, one list per tweet, on words or subwords."""
        return [[self.tag_set.tags[i] for i in path] for path in self.crf.best_paths(output.emissions, output.mask)]

    def _forbidden(self, tags: TagSet) -> Tensor | None:
        if not self.settings.constrain_bio or self.settings.tagging == "subword":
            return None
        rows = [[not is_allowed(before, after) for after in tags.tags] for before in (*tags.tags, None)]
        return torch.tensor(rows)

    def initial_conversion(self) -> list[list[float]]:
        return conversion_matrix(self.esd_tag_set, self.tag_set)


def trained_names(tagger: Tagger) -> list[str]:
    """Names of the parameters that training may change; the others come from the encoders' packages."""
    return [name for name, parameter in tagger.named_parameters() if parameter.requires_grad]


def embedding_names(tagger: Tagger) -> set[str]:
    """Names of the encoder's word, position and segment embeddings among the tagger's parameters."""
    return {f"encoder.{name}" for name in tagger.encoder.embedding_parameter_names()}


def freeze_embeddings(tagger: Tagger) -> None:
    """Keep the encoder's word, position and segment embeddings as they were published."""
    frozen = embedding_names(tagger)
    for name, parameter in tagger.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)


class TextTagger(Tagger):
    """The words' encoding, a linear layer, the CRF (eqs. 4 to 6 with h = c)."""

    def __init__(self, settings: ModelSettings, encoder: TextEncoder) -> None:
        super().__init__(settings, encoder)
        self.classifier = nn.Linear(encoder.hidden_size, len(self.tag_set))
        init_added_weights(self.classifier)

    def encoded_mask(self, batch: Batch) -> Tensor:
        """Where ``encode`` has read something: (batch, n)."""
        return batch.mask

    def sentence(self, encoded: Tensor, batch: Batch) -> Tensor:
        """The whole tweet in one vector, (batch, hidden): here what [CLS] has become."""
        return encoded[:, 0]

    def forward(self, batch: Batch) -> Output:
        encoded = self.encode(batch)  # C: (batch, subwords, hidden)
        emissions = self.at_words(self.classifier(encoded), batch)  # (batch, n, tags)
        return self.finish(Output(emissions, self.tag_mask(batch)), batch)


class FusedTagger(TextTagger):
    """A text tagger whose words are fused with the picture before they are scored.

    Subclasses name the block that does it, and write ``fuse``, which gives the block what it wants.
    """

    uses_image = True
    fusion_block: ClassVar[type[AdaptiveCoAttention | VisualAttention]]

    def __init__(self, settings: ModelSettings, encoder: TextEncoder, channels: int) -> None:
        super().__init__(settings, encoder)
        self.visual_projection = VisualProjection(channels, self.encoder.hidden_size)
        self.fusion = self.fusion_block(self.encoder.hidden_size)
        for part in (self.visual_projection, self.fusion):
            init_added_weights(part)

    def fuse(self, words: Tensor, visual: Tensor, batch: Batch) -> Fused:
        # words: (batch, n, hidden), visual: (batch, 49, hidden)
        raise NotImplementedError

    def forward(self, batch: Batch) -> Output:
        visual, _ = self.visual_projection(self.regions(batch))  # (batch, 49, hidden)
        words = batch.for_each_picture(self.encode(batch))
        batch = batch.per_picture()
        fused = self.fuse(words, visual, batch)
        emissions, attention, gate = (
            self.at_words(values, batch) for values in (self.classifier(fused.hidden), fused.attention, fused.gate)
        )
        output = Output(emissions, self.tag_mask(batch), fused=Fused(fused.hidden, attention, gate))
        return self.finish(output, batch)
