"""Settings, each with its default, its unit and its reason; saved beside the weights they produced.

Defaults are the paper's (Yu et al., ACL 2020, sections 2.2 to 2.5 and 3.1). ``RECIPES`` names
the other choices: the released code's, and what was found to train a small encoder well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from umt_core.errors import ConfigError


class Settings:
    """What every group of settings can do: be read from a mapping, checked, and written as one."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values.

        Raises:
            ConfigError: a name is unknown, or a value is of the wrong type or out of range.
        """
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(values.keys() - known):
            raise ConfigError(f"unknown setting {unknown}; known settings: {sorted(known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    def replace(self, **values: Any) -> Self:
        """The same settings but for the values given; errors as in ``from_dict``."""
        return self.from_dict({**self.to_dict(), **values})

    def _check_types(self) -> None:
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value, wanted = getattr(self, f.name), str(f.type).split(" | ")
            names = {"NoneType": "None"}.get(type(value).__name__, type(value).__name__)
            if names not in wanted and not (names == "int" and "float" in wanted):
                raise ConfigError(f"setting {f.name}: wanted {f.type}, got {value!r}")

    def _check_range(self, name: str, low: float, high: float) -> None:
        if not low <= getattr(self, name) <= high:
            raise ConfigError(f"setting {name}: wanted {low} to {high}, got {getattr(self, name)!r}")

    def _check_choice(self, name: str, *choices: str) -> None:
        if getattr(self, name) not in choices:
            raise ConfigError(f"setting {name}: wanted one of {list(choices)}, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class ModelSettings(Settings):
    """What a tagger is made of. Systems ignore the settings of parts that they do not have."""

    text_encoder: str = "minilm"  # a name of encoders.text, a hub id or a folder
    vision_encoder: str = "efficientnet-lite0"  # a name of encoders.vision
    adapter_rank: int = 0  # of adapters on the text encoder, trained in place of its own weights; 0: none
    heads: int = 12  # m, heads of every attention layer added to the encoder (3.1)
    dropout: float = 0.1  # probability, in the added layers and on the encoder's output (3.1)
    max_subwords: int = 128  # subwords of a tweet that are read, [CLS] and [SEP] among them (3.1)
    word_shape: bool | None = None  # show the model each word's shape; None: where the encoder is uncased
    word_spelling: bool = False  # filters over each word's characters join its subwords' embeddings
    other_set: bool = False  # a learned vector marks tweets of another data set in training; its own have none
    tagging: str = "word"  # "word": nine tags read at each word's first subword; "subword": the released 13
    constrain_bio: bool = False  # hold transitions that BIO2 forbids at a score of -100
    visual_projections: int = 1  # W_u: 1 (2.2), or 2, one for each direction of attention (released code)
    esd_weight: float = 0.5  # lambda, weight of the ESD loss (2.5)
    esd_mix: str = "sum"  # eq. 7: "sum" of main and converted ESD emissions, or their "mean" (released code)
    conversion: str = "learned"  # W^c: "learned" from its initial values (2.4), or "fixed" (released code)
    image_transform: str = "resize"  # to 224 x 224 (2.2), or "released": random crop and flip

    def __post_init__(self) -> None:
        self._check_types()
        self._check_range("adapter_rank", 0, 256)
        self._check_range("heads", 1, 64)
        self._check_range("dropout", 0, 0.9)
        self._check_range("max_subwords", 8, 512)
        self._check_range("visual_projections", 1, 2)
        self._check_range("esd_weight", 0, 100)
        self._check_choice("tagging", "word", "subword")
        self._check_choice("esd_mix", "sum", "mean")
        self._check_choice("conversion", "learned", "fixed")
        self._check_choice("image_transform", "resize", "released")


@dataclass(frozen=True, slots=True)
class TrainSettings(Settings):
    """How a tagger is trained."""

    epochs: int = 20  # at most; the best by dev F1 is kept (the released code runs 22 and 24)
    patience: int = 5  # epochs without a better dev F1 before stopping
    batch_size: int = 16  # tweets (3.1)
    learning_rate: float = 5e-5  # of the text encoder (3.1)
    new_learning_rate: float = 5e-5  # of the layers added to it (the paper has one rate for all)
    head_learning_rate: float = 5e-5  # of classifiers, CRFs and the word-shape embedding
    layer_decay: float = 1.0  # factor of the encoder's rate from each layer to the one below
    warmup: float = 0.1  # share of all steps over which the rate rises; it falls linearly after
    weight_decay: float = 0.01  # AdamW, not on biases, norms and CRFs
    clip_norm: float = 1.0  # largest gradient norm
    average_decay: float = 0.0  # of a running average of the weights, which is what is kept; 0: none
    image_dropout: float = 0.0  # share of training pictures withheld, so that the tagger also learns to do without one
    word_dropout: float = 0.0  # share of training words hidden as unknown, so that context and shape must do
    train_embeddings: bool = True  # False: word, position and segment embeddings stay as published
    precision: str = "auto"  # of products in training: "float32", or "auto": 16 bits where the device is faster so
    consistency: float = 0.0  # weight of what two passes with other dropout disagree in; 0: one pass
    restyle: bool = True  # tweets of ``also`` and ``unlabelled`` are split, and rid of URLs, as our data set's are
    teacher_weight: float = 0.0  # of the distillation loss, beside that of the gold labels; 0: there is no teacher
    train_layers: int | None = None  # of the encoder, from the top; those below stay as they began; None: all
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        self._check_range("epochs", 1, 1000)
        self._check_range("patience", 1, 1000)
        self._check_range("batch_size", 1, 1024)
        for name in ("learning_rate", "new_learning_rate", "head_learning_rate"):
            self._check_range(name, 0, 1)
        self._check_range("layer_decay", 0.1, 1)
        self._check_range("warmup", 0, 1)
        self._check_range("weight_decay", 0, 1)
        self._check_range("clip_norm", 1e-6, 1e6)
        self._check_range("average_decay", 0, 0.99999)
        self._check_range("image_dropout", 0, 1)
        self._check_range("word_dropout", 0, 0.9)
        self._check_range("consistency", 0, 100)
        self._check_range("teacher_weight", 0, 100)
        self._check_choice("precision", "auto", "float32")
        if self.train_layers is not None:
            self._check_range("train_layers", 0, 1000)
        self._check_range("seed", 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class PretrainSettings(Settings):
    """How a text encoder is trained on, on raw tweets."""

    epochs: int = 10
    batch_size: int = 32  # tweets
    learning_rate: float = 2e-4  # of the encoder: that of its top layer in the recipe "small"
    head_learning_rate: float = 1e-3  # of the head that scores hidden subwords, which is new
    warmup: float = 0.1  # share of all steps over which the rates rise; they fall linearly after
    weight_decay: float = 0.01  # AdamW, not on biases and norms
    clip_norm: float = 1.0  # largest gradient norm
    masked: float = 0.15  # share of the subwords that are hidden (Devlin et al., 2019)
    held_out: float = 0.05  # share of the tweets that are not learned from, to see what was learned
    max_subwords: int = 128  # subwords of a tweet that are read, [CLS] and [SEP] among them
    precision: str = "auto"  # as in ``TrainSettings``
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        self._check_range("epochs", 1, 1000)
        self._check_range("batch_size", 1, 1024)
        for name in ("learning_rate", "head_learning_rate", "warmup", "weight_decay"):
            self._check_range(name, 0, 1)
        self._check_range("clip_norm", 1e-6, 1e6)
        self._check_range("masked", 0.01, 0.9)
        self._check_range("held_out", 0.001, 0.9)
        self._check_range("max_subwords", 8, 512)
        self._check_choice("precision", "auto", "float32")
        self._check_range("seed", 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named set of choices over the paper's."""

    about: str
    model: Mapping[str, Any]
    train: Mapping[str, Any]


RECIPES: dict[str, Recipe] = {
    "paper": Recipe("sections 2.2 to 3.1 as they stand", {}, {}),
    "released": Recipe(
        "the released code: 13 tags on subwords, averaged emissions, two projections, fixed matrix, random crops",
        {
            "tagging": "subword",
            "esd_mix": "mean",
            "visual_projections": 2,
            "conversion": "fixed",
            "image_transform": "released",
            "word_shape": False,
        },
        {"batch_size": 32, "epochs": 22},
    ),
    "small": Recipe(
        "for small encoders on a laptop: higher rates, frozen embeddings, averaged weights, BIO2 held",
        {"constrain_bio": True},
        {
            "epochs": 8,
            "patience": 4,
            "learning_rate": 2e-4,
            "new_learning_rate": 4e-4,
            "head_learning_rate": 1e-3,
            "layer_decay": 0.9,
            "average_decay": 0.995,
            "image_dropout": 0.1,
            "train_embeddings": False,
        },
    ),
    "base": Recipe(
        "for encoders of the paper's size: adapters beside frozen weights, averaged, BIO2 held",
        {"constrain_bio": True, "adapter_rank": 16},
        {
            "epochs": 5,
            "patience": 3,
            "learning_rate": 3e-4,
            "new_learning_rate": 1e-4,
            "head_learning_rate": 1e-3,
            "average_decay": 0.995,
            "image_dropout": 0.1,
            "train_embeddings": False,
        },
    ),
    "base-full": Recipe(
        "for encoders of the paper's size, all of their layers trained",
        {"constrain_bio": True},
        {
            "epochs": 4,
            "patience": 3,
            "learning_rate": 4e-5,
            "new_learning_rate": 1e-4,
            "head_learning_rate": 1e-3,
            "layer_decay": 0.9,
            "average_decay": 0.995,
            "image_dropout": 0.1,
            "train_embeddings": False,
        },
    ),
    "lstm": Recipe(
        "for the LSTM taggers, all of them new but the embeddings: their papers' dropout, longer, BIO2 held",
        {"constrain_bio": True, "dropout": 0.5},
        {
            "epochs": 30,
            "patience": 6,
            "learning_rate": 2e-4,
            "new_learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
            "average_decay": 0.995,
            "image_dropout": 0.1,
        },
    ),
}


def default_recipe(system: str, text_encoder: str) -> str:
    """The recipe that a system is trained by unless another is asked for.

    >>> [default_recipe("umt-bert-crf", name) for name in ("minilm", "mpnet-base", "bert-base-cased")]
    ['small', 'base', 'paper']
    >>> default_recipe("bilstm-crf", "minilm")
    'lstm'
    """
    if "bilstm" in system:
        return "lstm"
    return {"minilm": "small", "mpnet-base": "base"}.get(text_encoder, "paper")


@dataclass(frozen=True, slots=True)
class Mode:
    """How a checkpoint that is there is trained on: what of it moves, how long, and how fast."""

    about: str
    rates: float  # factor of all three learning rates that the checkpoint was trained with
    train: Mapping[str, Any]  # in place of the checkpoint's settings

    def settings(self, base: TrainSettings, rates: float | None = None, **overrides: Any) -> TrainSettings:
        """The settings of a run from a checkpoint trained with ``base``; what is ``None`` is as the mode has it.

        Teachers are of the first training alone: what is learned now are the labels.

        Raises:
            ConfigError: as ``Settings.from_dict``.
        """
        factor = self.rates if rates is None else rates
        names = ("learning_rate", "new_learning_rate", "head_learning_rate")
        given = {name: value for name, value in overrides.items() if value is not None}
        rest = {"teacher_weight": 0.0, **self.train, **given}
        return base.replace(**{name: factor * getattr(base, name) for name in names}, **rest)


# The weights start where training has ended before: lower rates, or the first steps would undo more than they bring.
MODES: dict[str, Mode] = {
    "quick": Mode(
        "the heads, the added layers and the encoder's two top layers, three times over the tweets",
        0.25,
        {"train_layers": 2, "epochs": 3, "patience": 3},
    ),
    "full": Mode("all layers, eight times over the tweets", 0.5, {"train_layers": None, "epochs": 8, "patience": 4}),
}


def settings_of(recipe: str, /, **overrides: Any) -> tuple[ModelSettings, TrainSettings]:
    """Both groups of settings for a recipe's name; ``overrides`` that are ``None`` are left out.

    Raises:
        ConfigError: the recipe or a setting is unknown, or a value is out of range.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"unknown recipe {recipe!r}; known recipes: {sorted(RECIPES)}")
    given = {name: value for name, value in overrides.items() if value is not None}
    model_names, train_names = ({f.name for f in dataclasses.fields(of)} for of in (ModelSettings, TrainSettings))
    if unknown := sorted(given.keys() - model_names - train_names):
        known = f"of the tagger {sorted(model_names)}, of its training {sorted(train_names)}"
        raise ConfigError(f"unknown setting {unknown}; known settings: {known}")
    model = {name: value for name, value in given.items() if name in model_names}
    train = {name: value for name, value in given.items() if name not in model_names}
    chosen = RECIPES[recipe]
    return (
        ModelSettings.from_dict({**chosen.model, **model}),
        TrainSettings.from_dict({**chosen.train, **train}),
    )
