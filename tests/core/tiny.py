"""What tests of models need, small: a text encoder with random weights, labelled tweets, drawn pictures."""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

from umt_core.data.conll import parse_conll, write_conll
from umt_core.schema import Example

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "in at the of with and sings plays meets team band game city film tonight".split()

# Written as word/tag; the words of a type are few, so that a tiny tagger can learn them.
_LINES = """
Ann/B-PER sings/O in/O Oslo/B-LOC
Bob/B-PER meets/O Ann/B-PER Lee/I-PER at/O the/O game/O
the/O Hawks/B-ORG play/O in/O Rome/B-LOC tonight/O
Bob/B-PER Ray/I-PER plays/O with/O the/O Hawks/B-ORG
no/O game/O tonight/O
Ann/B-PER Lee/I-PER and/O Bob/B-PER in/O Rome/B-LOC
#/O Hawks/B-ORG win/O
the/O film/O Dune/B-MISC in/O Oslo/B-LOC
Jets/B-ORG meets/O Hawks/B-ORG in/O Lima/B-LOC
@/O bob/O sings/O
Dune/B-MISC Two/I-MISC tonight/O at/O Roxy/B-LOC Hall/I-LOC
the/O city/O of/O Lima/B-LOC
Lee/B-PER plays/O with/O Jets/B-ORG
Oslo/B-LOC and/O Rome/B-LOC and/O Lima/B-LOC
Ann/B-PER meets/O Ray/B-PER
band/O of/O the/O city/O 🎉/O
Ray/B-PER in/O the/O film/O Dune/B-MISC
Jets/B-ORG at/O Roxy/B-LOC Hall/I-LOC with/O Bob/B-PER Ray/I-PER
Hawks/B-ORG
sings/O
"""


def tweets() -> list[Example]:
    """Twenty labelled tweets, named t0 to t19."""
    lines = []
    for i, line in enumerate(_LINES.strip().splitlines()):
        words = [word.rsplit("/", 1) for word in line.split()]
        lines += [f"IMGID:t{i}", *(f"{token}\t{tag}" for token, tag in words), ""]
    return parse_conll(lines)


@dataclass(frozen=True, slots=True)
class Files:
    """A data set on disk."""

    train: Path
    valid: Path
    test: Path
    images: Path


def write_data(folder: Path, without_picture: int = 2) -> Files:
    """The tweets as CoNLL (12 to train, 4 and 4), and a picture of one colour for all but the last few."""
    examples = tweets()
    images = folder / "images"
    images.mkdir(parents=True)
    for i, example in enumerate(examples[: len(examples) - without_picture]):
        Image.new("RGB", (32, 24), (12 * i, 255 - 12 * i, 128)).save(images / f"{example.id}.png")
    for name, part in (("train", examples[:12]), ("valid", examples[12:16]), ("test", examples[16:])):
        write_conll(folder / f"{name}.txt", part)
    return Files(folder / "train.txt", folder / "valid.txt", folder / "test.txt", images)


def write_text_encoder(folder: Path, *, hidden: int = 24, layers: int = 2, seed: int = 0) -> str:
    """A BERT of random weights and an uncased WordPiece tokenizer, in the hub's format; gives the folder's name."""
    letters = [prefix + letter for letter in string.ascii_lowercase + "#@" for prefix in ("", "##")]
    vocabulary = {piece: i for i, piece in enumerate([*SPECIAL, *letters, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    (folder / "tokenizer_config.json").write_text(json.dumps(special), encoding="utf-8")
    return str(folder)
