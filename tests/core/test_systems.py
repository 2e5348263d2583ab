"""What every system of the registry must do, on tiny random models: read batches, see pictures, learn, be saved."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
import torchcrf
from safetensors.torch import load_file
from torch import Tensor

from tests.core import tiny
from umt_core.analysis.paper import TEXT_ALONE
from umt_core.checkpoint import load_checkpoint, put_weights
from umt_core.errors import ConfigError, DataError
from umt_core.features import Batch, encode_examples, word_of_subword
from umt_core.manifest import WEIGHTS
from umt_core.model.crf import LinearChainCRF
from umt_core.schema import Example
from umt_core.systems import SYSTEMS, Output, Tagger, build_system
from umt_core.systems.base import freeze_embeddings, trained_names
from umt_core.systems.bilstm_crf import BiLstmCrf
from umt_core.tagging import word_tags

WITH_IMAGES = [name for name, system in SYSTEMS.items() if system.uses_image]
WITH_ESD = [name for name, system in SYSTEMS.items() if system.uses_esd]
WITH_CHARACTERS = [name for name, system in SYSTEMS.items() if system.uses_characters]
ON_WORDS = [name for name, system in SYSTEMS.items() if issubclass(system, BiLstmCrf)]  # read words, not subwords
every_system = pytest.mark.parametrize("name", SYSTEMS)
every_tagging = pytest.mark.parametrize("tagging", ["word", "subword"])
every_system_and_tagging = pytest.mark.parametrize(
    ("name", "tagging"), [(n, t) for n in SYSTEMS for t in ("word", "subword") if t == "word" or n not in ON_WORDS]
)


def forward(tagger: Tagger, batch: Batch) -> Output:
    if batch.regions is not None:
        batch = replace(batch, regions=batch.regions.to(next(tagger.parameters()).dtype))
    with torch.no_grad():
        return tagger(batch)


def parts(output: Output) -> dict[str, Tensor]:
    """All that an output holds of a tweet at its words or subwords: (batch, n, ...)."""
    names = ("emissions", "main_emissions", "esd_emissions", "converted_esd")
    found = {name: value for name in names if (value := getattr(output, name)) is not None}
    return found if output.fused is None else found | {"at": output.fused.attention, "gate": output.fused.gate}


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


# Batches


@every_system_and_tagging
def test_a_batch_says_of_each_tweet_what_it_says_of_it_alone(name, tagging):
    # In double precision: in single, sums in the order that a batch's shape gives them differ by some 2e-5.
    tagger = tiny.system(name, tagging=tagging).double()
    pictures = [*tiny.pictures(len(tiny.TWEETS) - 1), None]
    output = forward(tagger, tiny.batch(tagger, regions=pictures))
    decoded = tagger.decode(output)
    for i, (tweet, picture) in enumerate(zip(tiny.TWEETS, pictures, strict=True)):
        alone = forward(tagger, tiny.batch(tagger, [tweet], [picture]))
        n = alone.emissions.shape[1]
        assert output.mask[i].sum() == n
        for part, value in parts(alone).items():
            close(parts(output)[part][i, :n], value[0])
        assert tagger.decode(alone)[0] == decoded[i]
        if alone.interaction:
            subwords = alone.interaction.hidden.shape[1]
            close(output.interaction.word_to_block[i, :, :subwords], alone.interaction.word_to_block[0])
            if alone.interaction.gate is not None:
                close(output.interaction.gate[i, :subwords], alone.interaction.gate[0])
            if alone.interaction.block_to_word is not None:
                close(output.interaction.block_to_word[i, :, :, :subwords], alone.interaction.block_to_word[0])
                assert output.interaction.block_to_word[i, :, :, subwords:].eq(0).all()


def padded(batch: Batch, more: int) -> Batch:
    """The same tweets with more padding, and what is not to be read filled with noise."""

    def longer(values: Tensor | None, fill: int) -> Tensor | None:
        return None if values is None else F.pad(values, (0, more), value=fill)

    return replace(
        batch,
        subwords=longer(batch.subwords, 7),
        mask=longer(batch.mask, 0),
        shapes=longer(batch.shapes, 3),
        starts=longer(batch.starts, 2),
        word_mask=longer(batch.word_mask, 0),
        tags=longer(batch.tags, 1),
        esd_tags=longer(batch.esd_tags, 1),
        characters=None if batch.characters is None else F.pad(batch.characters, (0, 3, 0, more)),
    )


@every_system_and_tagging
def test_padding_changes_nothing(name, tagging):
    tagger = tiny.system(name, tagging=tagging)
    batch = tiny.batch(tagger)
    plain, longer = forward(tagger, batch), forward(tagger, padded(batch, 5))
    n = plain.emissions.shape[1]
    for part, value in parts(plain).items():
        close(parts(longer)[part][:, :n][plain.mask], value[plain.mask])
    assert tagger.decode(plain) == tagger.decode(longer)
    for term, value in plain.losses.items():
        close(longer.losses[term], value)


@every_system_and_tagging
def test_decoding_is_the_crfs_best_path(name, tagging):
    tagger = tiny.system(name, tagging=tagging)
    output = forward(tagger, tiny.batch(tagger))
    ids = torchcrf.CRF.decode(tagger.crf, output.emissions, mask=output.mask)
    assert tagger.decode(output) == [[tagger.tag_set.tags[i] for i in path] for path in ids]


@every_system_and_tagging
def test_every_word_gets_one_tag(name, tagging):
    tagger = tiny.system(name, tagging=tagging)
    encoded = encode_examples(tiny.TWEETS, tiny.tokenizer(), 64)
    paths = tagger.decode(forward(tagger, tiny.batch(tagger)))
    for tweet, numbers, path in zip(tiny.TWEETS, encoded, paths, strict=True):
        tags = word_tags(path, numbers, tagging, len(tweet.tokens))
        assert len(tags) == len(tweet.tokens)
        assert all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags)


def test_subword_tags_are_read_at_each_words_first():
    (numbers,) = encode_examples([Example("t", ("bab", "in", "rain"))], tiny.tokenizer(), 64)
    path = ["[CLS]", "B-PER", "X", "X", "[SEP]", "X", "[SEP]"]  # a tagger may say anything anywhere
    assert word_tags(path, numbers, "subword", 4) == ["B-PER", "O", "O", "O"]


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "bert"])  # which has no transitions
def test_held_bio2_is_never_broken(name):
    broken = {False: 0, True: 0}
    for held in broken:
        tagger = tiny.system(name, constrain_bio=held)
        tagger.classifier.bias.data[[tag[0] == "I" for tag in tagger.tag_set.tags]] += 3
        for path in tagger.decode(forward(tagger, tiny.batch(tagger))):
            for before, after in zip(["O", *path], path, strict=False):
                broken[held] += after[0] == "I" and before[1:] != after[1:]
    assert broken[False] > 0
    assert broken[True] == 0


# Pictures


def test_what_reads_text_alone_is_known_without_torch():
    assert set(TEXT_ALONE) == set(SYSTEMS) - set(WITH_IMAGES)


@pytest.mark.parametrize("name", TEXT_ALONE)
def test_a_text_only_system_reads_no_picture(name):
    tagger = tiny.system(name)
    batch = tiny.batch(tagger)
    seeing = replace(batch, regions=torch.randn(len(tiny.TWEETS), 49, tiny.CHANNELS))
    assert torch.equal(forward(tagger, batch).emissions, forward(tagger, seeing).emissions)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_another_picture_changes_what_multimodal_systems_say(name):
    tagger = tiny.system(name)
    one = forward(tagger, tiny.batch(tagger, regions=tiny.pictures(10, seed=1)))
    other = forward(tagger, tiny.batch(tagger, regions=tiny.pictures(10, seed=2)))
    difference = (one.emissions - other.emissions).abs().amax(dim=2)[one.mask]
    assert difference.gt(1e-3).all()  # at every word


@pytest.mark.parametrize("name", WITH_ESD)
def test_span_detection_never_sees_the_picture(name):
    tagger = tiny.system(name)
    one = forward(tagger, tiny.batch(tagger, regions=tiny.pictures(10, seed=1)))
    other = forward(tagger, tiny.batch(tagger, regions=tiny.pictures(10, seed=2)))
    none = forward(tagger, tiny.batch(tagger, regions=[None] * 10))
    assert torch.equal(one.esd_emissions, other.esd_emissions)
    assert torch.equal(one.esd_emissions, none.esd_emissions)
    if one.converted_esd is not None:
        assert torch.equal(one.converted_esd, other.converted_esd)
    assert not torch.allclose(one.main_emissions, other.main_emissions, atol=1e-3)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_a_tweet_without_picture_does_not_disturb_the_others(name):
    tagger = tiny.system(name)
    pictures = tiny.pictures(3)
    whole = forward(tagger, tiny.batch(tagger, tiny.TWEETS[:3], pictures))
    without = forward(tagger, tiny.batch(tagger, tiny.TWEETS[:3], [pictures[0], None, pictures[2]]))
    close(whole.emissions[[0, 2]], without.emissions[[0, 2]])
    assert not torch.allclose(whole.emissions[1], without.emissions[1], atol=1e-3)
    looked = (without.interaction.word_to_block if without.interaction else without.fused.attention)[1]
    close(looked, torch.full_like(looked, 1 / 49))


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_no_regions_at_all_is_a_mistake_of_the_caller(name):
    tagger = tiny.system(name)
    with pytest.raises(DataError, match="wanted the regions of pictures"):
        tagger(replace(tiny.batch(tagger), regions=None))


# Settings


def test_unknown_systems_and_missing_channels_are_refused():
    with pytest.raises(ConfigError, match=r"unknown system 'umt'; known systems: .*'bert-crf'"):
        build_system("umt", tiny.settings(), tiny.encoder())
    with pytest.raises(ConfigError, match="mt-bert-crf uses images"):
        build_system("mt-bert-crf", tiny.settings(), tiny.encoder())


@pytest.mark.parametrize("change", [{"heads": 5}, {"max_subwords": tiny.POSITIONS + 1}])
def test_sizes_that_the_encoder_does_not_allow_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        build_system("umt-bert-crf", tiny.settings(**change), tiny.encoder(), tiny.CHANNELS)


@pytest.mark.parametrize("name", WITH_CHARACTERS)
def test_characters_show_capitals_and_must_be_given(name):
    tagger = tiny.system(name, word_shape=False)
    plain, shouted = (
        tiny.batch(tagger, [Example("t", (word, "in"))], tiny.pictures(1), targets=False) for word in ("anna", "ANNA")
    )
    assert not torch.allclose(forward(tagger, plain).emissions, forward(tagger, shouted).emissions, atol=1e-3)
    with pytest.raises(DataError, match="wanted the characters of words"):
        tagger(replace(plain, characters=None))


@every_system
def test_a_spelled_word_shows_its_capitals(name):
    tagger = tiny.system(name, word_shape=False, word_spelling=True)
    lower, upper = (
        tiny.batch(tagger, [Example("t", ("anna", word, "in"))], tiny.pictures(1), targets=False)
        for word in ("nba", "NBA")
    )
    with torch.no_grad():
        unread, plain, shouted = tagger.encoder.embed(lower.subwords), tagger.embed(lower), tagger.embed(upper)
    word = word_of_subword(lower)[0]
    assert [not torch.equal(a, b) for a, b in zip(plain[0], shouted[0], strict=True)] == (word == 1).tolist()
    assert [not torch.equal(a, b) for a, b in zip(plain[0], unread[0], strict=True)] == (word >= 0).tolist()
    assert not torch.allclose(forward(tagger, lower).emissions, forward(tagger, upper).emissions, atol=1e-3)
    with pytest.raises(DataError, match="wanted the characters of words"):
        tagger(replace(lower, characters=None))


@every_system
def test_a_spelled_word_is_read_alike_alone_and_in_a_batch(name):
    tagger = tiny.system(name, word_spelling=True)
    pictures = tiny.pictures(len(tiny.TWEETS))
    together = forward(tagger, tiny.batch(tagger, tiny.TWEETS, pictures, targets=False))
    for i, (tweet, picture) in enumerate(zip(tiny.TWEETS, pictures, strict=True)):
        alone = forward(tagger, tiny.batch(tagger, [tweet], [picture], targets=False))
        close(alone.emissions[0], together.emissions[i][together.mask[i]])


@pytest.mark.parametrize("name", ON_WORDS)
def test_what_reads_words_has_no_tags_on_subwords(name):
    with pytest.raises(ConfigError, match=f"setting tagging: {name} reads words"):
        tiny.system(name, tagging="subword")


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in WITH_CHARACTERS])
def test_capitals_are_seen_through_word_shapes_alone(name):
    plain, shouted = (Example("t", (word, "in", "paris")) for word in ("anna", "ANNA"))
    for word_shape in (True, False):
        tagger = tiny.system(name, word_shape=word_shape)
        assert (tagger.word_shape is not None) == word_shape
        pictures = tiny.pictures(1)
        low, high = (
            forward(tagger, tiny.batch(tagger, [t], pictures, targets=False)).emissions for t in (plain, shouted)
        )
        assert torch.equal(low, high) != word_shape


@every_system
@pytest.mark.parametrize("setting", ["word_shape", "word_spelling"])
def test_a_new_system_has_not_learned_shapes_or_spelling_yet(name, setting):
    settings = {"word_shape": False, "word_spelling": False}
    shown, plain = (
        build_system(name, tiny.settings(**settings | {setting: w}), tiny.encoder(), tiny.CHANNELS)
        for w in (True, False)
    )
    weights = {n: value for n, value in shown.state_dict().items() if not n.startswith(setting)}
    plain.load_state_dict(weights)
    batch = tiny.batch(shown)
    assert torch.equal(*(tagger.eval().encode(batch) for tagger in (shown, plain)))


@every_tagging
def test_emissions_are_summed_or_averaged(tagging):
    summed = tiny.system("umt-bert-crf", tagging=tagging)
    averaged = tiny.system("umt-bert-crf", tagging=tagging, esd_mix="mean")
    batch = tiny.batch(summed)
    whole, half = forward(summed, batch), forward(averaged, batch)
    close(whole.emissions, whole.main_emissions + whole.converted_esd)
    for part in ("emissions", "main_emissions", "converted_esd"):
        close(getattr(half, part), getattr(whole, part) / 2)
    close(half.esd_emissions, whole.esd_emissions)


@pytest.mark.parametrize("name", ["mt-bert-crf", "umt-bert-crf"])
def test_two_projections_are_two(name):
    one, two = (tiny.system(name, visual_projections=n) for n in (1, 2))
    more = {n for n, _ in two.named_parameters()} - {n for n, _ in one.named_parameters()}
    assert more == {"visual_projection.queries.weight", "visual_projection.queries.bias"}
    before = forward(two, tiny.batch(two)).interaction
    two.visual_projection.queries.weight.data.add_(1)
    after = forward(two, tiny.batch(two)).interaction
    assert torch.equal(before.word_to_block, after.word_to_block)
    assert not torch.allclose(before.block_to_word, after.block_to_word, atol=1e-3)


@pytest.mark.parametrize("conversion", ["learned", "fixed"])
def test_the_conversion_is_learned_or_fixed(conversion):
    tagger = tiny.system("umt-bert-crf", conversion=conversion)
    before = tagger.conversion.matrix.clone()
    learn(tagger, steps=2)
    assert torch.equal(tagger.conversion.matrix, before) == (conversion == "fixed")
    assert ("conversion.matrix" in trained_names(tagger)) == (conversion == "learned")


@pytest.mark.parametrize("name", WITH_ESD)
def test_lambda_weighs_the_span_loss(name):
    for weight in (0.0, 0.5, 2.0):
        tagger = tiny.system(name, esd_weight=weight)
        losses = forward(tagger, tiny.batch(tagger)).losses
        close(losses["total"], losses["main"] + weight * losses["esd"])


@every_system
def test_losses_need_targets(name):
    tagger = tiny.system(name)
    assert forward(tagger, tiny.batch(tagger, targets=False)).losses == {}


# Learning, saving


def learn(tagger: Tagger, steps: int) -> float:
    """Steps over the ten tweets; the last loss."""
    optimizer = torch.optim.Adam([p for p in tagger.parameters() if p.requires_grad], lr=0.02)
    batch = tiny.batch(tagger)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = tagger(batch).losses["total"]
        loss.backward()
        optimizer.step()
    return loss.item()


RELEASED = {"tagging": "subword", "esd_mix": "mean", "visual_projections": 2, "conversion": "fixed"}


@pytest.mark.parametrize(
    ("name", "choices"),
    [(n, c) for n in SYSTEMS for c in ({}, RELEASED) if not c or n not in ON_WORDS],
    ids=lambda value: value if isinstance(value, str) else "released" if value else "paper",
)
def test_ten_tweets_are_learned_and_a_saved_tagger_says_the_same(name, choices, tmp_path):
    folder = tiny.save_encoder(tmp_path / "encoder")
    torch.manual_seed(0)
    tagger = build_system(name, tiny.settings(text_encoder=folder, **choices), tiny.encoder(), tiny.CHANNELS)
    freeze_embeddings(tagger)
    learn(tagger.eval(), steps=100)  # without dropout, to the bottom
    output = forward(tagger, tiny.batch(tagger))
    assert output.losses["total"] < 0.2
    encoded = encode_examples(tiny.TWEETS, tiny.tokenizer(), 64)
    gold = [tags_of(tweet) for tweet in tiny.TWEETS]
    tagging, paths = tagger.settings.tagging, tagger.decode(output)
    assert [word_tags(p, e, tagging, e.words) for p, e in zip(paths, encoded, strict=True)] == gold

    checkpoint = tiny.save_tagger(tmp_path, tagger)
    loaded = load_checkpoint(checkpoint).tagger
    assert not loaded.training
    assert loaded.decode(forward(loaded, tiny.batch(loaded))) == paths
    put_weights(tagger, load_file(checkpoint / WEIGHTS), where="rounded as they were saved")
    assert torch.equal(forward(loaded, tiny.batch(loaded)).emissions, forward(tagger, tiny.batch(tagger)).emissions)


def tags_of(tweet: Example) -> list[str]:
    """BIO2 tags, written without the code under test."""
    tags = ["O"] * len(tweet.tokens)
    for span in tweet.spans or ():
        for i in range(span.start, span.end):
            tags[i] = f"{'B' if i == span.start else 'I'}-{span.label}"
    return tags


@every_system
def test_frozen_embeddings_neither_learn_nor_are_saved(name, tmp_path):
    frozen = tiny.system(name, text_encoder=tiny.save_encoder(tmp_path / "encoder"))
    freeze_embeddings(frozen)
    places = ("encoder.model.embeddings.", "encoder.embeddings.")
    embeddings = {n: p for n, p in frozen.named_parameters() if n.startswith(places)}
    before = {n: p.detach().clone() for n, p in embeddings.items()}
    learn(frozen, steps=2)
    assert len(before) == (1 if name in ON_WORDS else 5)  # words alone; or positions, segments and a norm too
    assert all(torch.equal(p, before[n]) for n, p in embeddings.items())
    saved = load_file(tiny.save_tagger(tmp_path, frozen) / WEIGHTS)
    assert saved.keys() == dict(frozen.named_parameters()).keys() - before.keys()
    assert {value.dtype for value in saved.values()} == {torch.float16}


@every_system
def test_trained_embeddings_are_saved(name, tmp_path):
    tagger = tiny.system(name, text_encoder=tiny.save_encoder(tmp_path / "encoder"))
    learn(tagger, steps=2)
    saved = load_file(tiny.save_tagger(tmp_path, tagger, train_embeddings=True) / WEIGHTS)
    assert saved.keys() == dict(tagger.named_parameters()).keys()
    loaded = load_checkpoint(tmp_path / "tiny" / name).tagger
    own, theirs = (dict(t.named_parameters()) for t in (tagger, loaded))
    (table,) = (n for n in own if n.endswith(("word_embeddings.weight", "encoder.embeddings.weight")))
    assert torch.equal(theirs[table], own[table].half().float())


@every_system
def test_only_span_detection_has_a_crf_of_its_own(name):
    crfs = [m for m in tiny.system(name).modules() if isinstance(m, LinearChainCRF)]
    assert len(crfs) == 1 + (name in WITH_ESD)
