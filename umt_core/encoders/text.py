"""Text encoders: a BERT-like model and the tokenizer that belongs to it, by one name.

A name is one of the catalog's, a local folder in the hub's format, or an id on the
Hugging Face hub. Weights are read from safetensors, or from a ``.bin`` file by
torch's weights-only reader; no pickled code is ever run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from umt_core.encoders.adapters import add_adapters
from umt_core.encoders.catalog import TEXT_ENCODERS, TextBackbone
from umt_core.encoders.files import cache_dir, file_sha256, package_file, unpack, verify
from umt_core.errors import BackboneError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = "model.safetensors"
# A file with all weights, or the parts of one, in the order in which transformers looks for them.
_WEIGHT_FILES = ((WEIGHTS, "model-*.safetensors"), ("pytorch_model.bin", "pytorch_model-*.bin"))
_HUB_SECONDS = 10.0  # to wait for the hub's first answer
_UNPACKED = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_SHIFTED = {"mpnet", "roberta", "xlm-roberta"}  # their positions start after the padding id
_WITH_POOLER = {"bert"} | _SHIFTED
_SPECIAL_TOKENS = ("cls_token", "sep_token", "pad_token", "unk_token")
_MASK_TOKEN = "mask_token"  # not all have one
_TOKENIZER_FILES = ("*token*.json", "vocab.*", "merges.txt", "bpe.codes")


class SubwordTokenizer:
    """Splits a tweet's tokens into the subwords of one text encoder, each token by itself.

    It holds no per-call settings (no padding, no truncation), so threads may share it.
    """

    def __init__(self, tokenizer: Tokenizer, special: dict[str, int]) -> None:
        """``special``: ids of ``cls_token``, ``sep_token``, ``pad_token``, ``unk_token``; perhaps of ``mask_token``."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True  # a tweet that spells [SEP] means the word
        self._tokenizer = tokenizer
        self.cls_id = special["cls_token"]
        self.sep_id = special["sep_token"]
        self.pad_id = special["pad_token"]
        self.unk_id = special["unk_token"]
        self.mask_id = special.get("mask_token")  # None: the encoder was trained without
        self.cased: bool = self.encode_words(["Paris"]) != self.encode_words(["paris"])

    def encode_words(self, tokens: Sequence[str]) -> list[list[int]]:
        """Subword ids of each token; a token without any subword (a zero-width space) is unknown.

        >>> load_tokenizer("minilm").encode_words(["Orleans", "", "snowboarding"])
        [[5979], [100], [4586, 21172]]
        """
        # One by one: a batch would be spread over threads, and waking them takes longer than a tweet's words.
        try:
            encodings = [self._tokenizer.encode(token, add_special_tokens=False) for token in tokens]
        except (TypeError, UnicodeEncodeError):  # half of a surrogate pair, which UTF-8 cannot hold
            whole = [token.encode("utf-8", "replace").decode("utf-8") for token in tokens]
            encodings = [self._tokenizer.encode(token, add_special_tokens=False) for token in whole]
        return [encoding.ids or [self.unk_id] for encoding in encodings]


class TextEncoder(nn.Module):
    """Contextual subwords of a tweet: the last layer of a BERT-like encoder (paper, section 2.2).

    ``weights_sha256`` names the weights' file, or files; ``None`` where the weights are random, or in
    files of names that we do not know.
    """

    def __init__(self, name: str, model: PreTrainedModel, weights_sha256: str | None = None) -> None:
        super().__init__()
        self.name = name
        self.model = model
        self.weights_sha256 = weights_sha256
        self.hidden_size: int = model.config.hidden_size
        self.embedding_size: int = model.get_input_embeddings().get_parameter("weight").shape[1]  # width of ``extra``
        self.max_length: int = _max_length(model.config)

    def embed(self, input_ids: Tensor) -> Tensor:
        """The subwords' own vectors, before positions: (batch, subwords, embedding)."""
        words: Tensor = self.model.get_input_embeddings()(input_ids)
        return words

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        extra: Tensor | None = None,
        embedded: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (batch, subwords, hidden).

        Args:
            input_ids: (batch, subwords), padded on the right.
            attention_mask: (batch, subwords), 1 at subwords and 0 at padding.
            extra: (batch, subwords, embedding), added to the word embeddings before the
                encoder adds positions and normalises; ``None`` adds nothing.
            embedded: (batch, subwords, embedding), read in place of the word embeddings.
        """
        words = self.embed(input_ids) if embedded is None else embedded  # (batch, subwords, embedding)
        if extra is not None:
            words = words + extra
        return self.model(inputs_embeds=words, attention_mask=attention_mask).last_hidden_state

    def add_adapters(self, rank: int) -> None:
        """From now on adapters are what is trained of this encoder, see ``adapters``."""
        add_adapters(self.model, rank)

    def embedding_parameter_names(self) -> frozenset[str]:
        """Names, as in ``named_parameters()``, of the embedding layer: words, positions, its norm."""
        embeddings = getattr(self.model, "embeddings", None) or self.model.get_input_embeddings()
        inside = {id(parameter) for parameter in embeddings.parameters()}
        return frozenset(name for name, parameter in self.named_parameters() if id(parameter) in inside)


class SubwordEmbeddings(TextEncoder):
    """A text encoder's subword embeddings alone: vectors that do not know what stands around them."""

    def __init__(self, encoder: TextEncoder) -> None:
        nn.Module.__init__(self)
        self.name, self.weights_sha256, self.max_length = encoder.name, encoder.weights_sha256, encoder.max_length
        self.hidden_size = self.embedding_size = encoder.embedding_size
        self.embeddings = encoder.model.get_input_embeddings()

    def embed(self, input_ids: Tensor) -> Tensor:
        words: Tensor = self.embeddings(input_ids)
        return words

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        extra: Tensor | None = None,
        embedded: Tensor | None = None,
    ) -> Tensor:
        """Embeddings (batch, subwords, embedding); arguments as in ``TextEncoder``."""
        words = self.embed(input_ids) if embedded is None else embedded
        return words if extra is None else words + extra

    def add_adapters(self, rank: int) -> None:
        """Nothing: it has no layer that could have one."""

    def embedding_parameter_names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.named_parameters())


def load_tokenizer(name: str) -> SubwordTokenizer:
    """The tokenizer of a text encoder.

    Raises:
        BackboneError: its files are not there, or hold no tokenizer that we can use.
    """
    folder = _folder(name, weights=False)
    if (file := folder / "tokenizer.json").is_file():
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception
            raise BackboneError(f"{file}: not a tokenizer: {error}") from error
        names = _special_tokens(folder)
        if not all(names[kind] for kind in _SPECIAL_TOKENS):  # bert-base-cased's files name none: its class does
            names = _convert_tokenizer(folder)[1] | {kind: token for kind, token in names.items() if token}
    else:
        tokenizer, names = _convert_tokenizer(folder)
    if tokenizer.token_to_id("\u0120the") is not None:  # byte-level: a word's first piece carries its space
        with contextlib.suppress(AttributeError):
            tokenizer.pre_tokenizer.add_prefix_space = True
    ids = {kind: tokenizer.token_to_id(token) for kind, token in names.items()}
    special = {kind: token_id for kind, token_id in ids.items() if token_id is not None}
    if missing := sorted(set(_SPECIAL_TOKENS) - special.keys()):
        raise BackboneError(f"{folder}: its tokenizer has no {', '.join(missing)}")
    return SubwordTokenizer(tokenizer, special)


def load_text_encoder(name: str, *, pretrained: bool = True, attention: str = "sdpa") -> TextEncoder:
    """A text encoder with its published weights, or random ones where ``pretrained`` is false.

    Args:
        attention: ``sdpa`` (where the model has it; MPNet has not), or ``eager`` if the
            encoder's own attention maps are wanted.

    Raises:
        BackboneError: the weights are not there, not what they should be, or do not fit the model.
    """
    folder = _folder(name, weights=pretrained)
    # None lets transformers take sdpa wherever the model has it; asked for by name, it would insist.
    arguments: dict[str, Any] = {"attn_implementation": None if attention == "sdpa" else attention}
    if _model_type(folder) in _WITH_POOLER:
        arguments["add_pooling_layer"] = False
    with _quiet():
        from transformers import AutoConfig, AutoModel  # 3 s, and only who loads a model needs it

        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            if not pretrained:
                model = AutoModel.from_config(config, **arguments)
                return TextEncoder(name, model)
            model, report = AutoModel.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                **arguments,
            )
        except Exception as error:  # truncated, of another shape, unknown: the library has many classes
            raise BackboneError(f"{folder}: cannot load the text encoder: {first_line(error)}") from error
    if missing := sorted(key for key in report["missing_keys"] if "pooler" not in key):
        raise BackboneError(f"{folder}: the weights lack {len(missing)} parts, {missing[0]} among them")
    return TextEncoder(name, model, weights_sum(folder))


def weights_sum(folder: Path) -> str | None:
    """The sum of the weights' file; of several, that of a list of their sums; ``None``: they have other names."""
    for whole, parts in _WEIGHT_FILES:
        if (folder / whole).is_file():
            return file_sha256(folder / whole)
        if found := sorted(folder.glob(parts)):
            sums = "".join(f"{file_sha256(file)}  {file.name}\n" for file in found)
            return hashlib.sha256(sums.encode()).hexdigest()
    return None


def save_text_encoder(encoder: TextEncoder, folder: Path) -> None:
    """Writes an encoder with its tokenizer in the hub's format, in float32, to be loaded by the folder's name.

    Raises:
        BackboneError: the tokenizer's files are not there, or the folder cannot be written.
    """
    source = _folder(encoder.name, weights=False)
    try:
        with _quiet():
            encoder.model.save_pretrained(folder)
        for pattern in _TOKENIZER_FILES:
            for file in source.glob(pattern):
                shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise BackboneError(f"{folder}: wanted a place to write, got: {error.strerror}") from error


def _folder(name: str, *, weights: bool) -> Path:
    """The folder that holds an encoder's files, with the weights checked if they are wanted."""
    backbone = TEXT_ENCODERS.get(name)
    if backbone and backbone.sha256:
        folder = _unpacked(backbone) if backbone.pieces else _packaged(backbone)
        if weights:
            verify(folder / WEIGHTS, backbone.sha256)
        return folder
    if Path(name).is_dir():
        return Path(name)
    return _hub_folder(name, weights=weights)


def _packaged(backbone: TextBackbone) -> Path:
    return package_file(backbone.packages[0][0], backbone.folder, install=backbone.install)


def _unpacked(backbone: TextBackbone) -> Path:
    """Where the cache keeps what packages hold in pieces; unpacked at the first call."""
    folder = cache_dir() / backbone.name
    if not folder.is_dir():
        pieces = [package_file(module, file, install=backbone.install) for module, file in backbone.pieces]
        unpack(pieces, backbone.pieces_sha256, _UNPACKED, folder)
    return folder


def _model_type(folder: Path) -> str:
    file = folder / "config.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"{file}: wanted a transformers configuration with its model_type") from error


def _special_tokens(folder: Path) -> dict[str, str]:
    """What the tokenizer's own files call [CLS], [SEP], [PAD] and [UNK]."""
    names: dict[str, Any] = {}
    for file in (folder / "tokenizer_config.json", folder / "special_tokens_map.json"):
        with contextlib.suppress(OSError, ValueError):
            names |= json.loads(file.read_text(encoding="utf-8"))
    found = {kind: names.get(kind) for kind in (*_SPECIAL_TOKENS, _MASK_TOKEN)}
    return {kind: value["content"] if isinstance(value, dict) else value or "" for kind, value in found.items()}


def _convert_tokenizer(folder: Path) -> tuple[Tokenizer, dict[str, str]]:
    """A tokenizer as the library has it, from vocab.txt and the like too, and its special tokens."""
    with _quiet():
        from transformers import AutoTokenizer

        try:
            slow = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            kinds = (*_SPECIAL_TOKENS, _MASK_TOKEN)
            return slow.backend_tokenizer, {kind: getattr(slow, kind) or "" for kind in kinds}
        except Exception as error:
            raise BackboneError(f"{folder}: cannot load its tokenizer: {first_line(error)}") from error


def _hub_folder(name: str, *, weights: bool) -> Path:
    """Where the hub's client keeps an encoder; what it lacks is downloaded, in safetensors if it can be had."""
    from huggingface_hub import HfApi, snapshot_download

    no_hub: Exception | None = None
    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)  # snapshot_download itself would wait without end
    except Exception as error:  # no network, no such id, no rights: many classes of two libraries
        no_hub = error

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=no_hub is not None))

    try:
        folder = fetch("config.json", *_TOKENIZER_FILES)
        if weights:
            fetch("model*.safetensors*")
            if not any(folder.glob("model*.safetensors")):
                fetch("pytorch_model*.bin*")
    except Exception as error:
        raise BackboneError(
            f"text encoder {name!r}: no such folder, and the Hugging Face hub did not give it "
            f"({first_line(no_hub or error)}): give the path of a folder that holds it, or connect to the network"
        ) from error
    return folder


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' progress bars and load reports off the terminal; we check its report ourselves."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _max_length(config: Any) -> int:
    """Longest input in subwords."""
    shifted = config.model_type in _SHIFTED
    return config.max_position_embeddings - (config.pad_token_id + 1 if shifted else 0)
