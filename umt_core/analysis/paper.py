"""Figures that Yu et al. (ACL 2020) print, and whether a run of ours compares with them."""

from __future__ import annotations

from umt_core.promotions import ORIGINAL

FIGURES = ("PER", "LOC", "ORG", "MISC", "precision", "recall", "f1")  # F1 of each type, then overall; in percent

MAIN_SYSTEMS = ("bert-crf", "mt-bert-crf", "umt-bert-crf")  # from plain to full
TEXT_ALONE = ("bilstm-crf", "cnn-bilstm-crf", "hbilstm-crf", "bert", "bert-crf")  # of Table 2; all else sees pictures

# Table 2, on the test splits.
PAPER_TABLE_2: dict[str, dict[str, tuple[float, ...]]] = {
    "twitter2015": {
        "bilstm-crf": (76.77, 72.56, 41.33, 26.80, 68.14, 61.09, 64.42),
        "cnn-bilstm-crf": (80.86, 75.39, 47.77, 32.61, 66.24, 68.09, 67.15),
        "hbilstm-crf": (82.34, 76.83, 51.59, 32.52, 70.32, 68.05, 69.17),
        "bert": (84.72, 79.91, 58.26, 38.81, 68.30, 74.61, 71.32),
        "bert-crf": (84.74, 80.51, 60.27, 37.29, 69.22, 74.59, 71.81),
        "gvatt-hbilstm-crf": (82.66, 77.21, 55.06, 35.25, 73.96, 67.90, 70.80),
        "adacan-cnn-bilstm-crf": (81.98, 78.95, 53.07, 34.02, 72.75, 68.74, 70.69),
        "gvatt-bert-crf": (84.43, 80.87, 59.02, 38.14, 69.15, 74.46, 71.70),
        "adacan-bert-crf": (85.28, 80.64, 59.39, 38.88, 69.87, 74.59, 72.15),
        "mt-bert-crf": (85.30, 81.21, 61.10, 37.97, 70.48, 74.80, 72.58),
        "umt-bert-crf": (85.24, 81.58, 63.03, 39.45, 71.67, 75.23, 73.41),
    },
    "twitter2017": {
        "bilstm-crf": (85.12, 72.68, 72.50, 52.56, 79.42, 73.43, 76.31),
        "cnn-bilstm-crf": (87.99, 77.44, 74.02, 60.82, 80.00, 78.76, 79.37),
        "hbilstm-crf": (87.91, 78.57, 76.67, 59.32, 82.69, 78.16, 80.37),
        "bert": (90.88, 84.00, 79.25, 61.63, 82.19, 83.72, 82.95),
        "bert-crf": (90.25, 83.05, 81.13, 62.21, 83.32, 83.57, 83.44),
        "gvatt-hbilstm-crf": (89.34, 78.53, 79.12, 62.21, 83.41, 80.38, 81.87),
        "adacan-cnn-bilstm-crf": (89.63, 77.46, 79.24, 62.77, 84.16, 80.24, 82.15),
        "gvatt-bert-crf": (90.94, 83.52, 81.91, 62.75, 83.64, 84.38, 84.01),
        "adacan-bert-crf": (90.20, 82.97, 82.67, 64.83, 85.13, 83.20, 84.10),
        "mt-bert-crf": (91.47, 82.05, 81.84, 65.80, 84.60, 84.16, 84.42),
        "umt-bert-crf": (91.56, 84.73, 82.24, 70.10, 85.28, 85.34, 85.31),
    },
}
# The figures of UMT that Table 2 marks: better than GVATT-BERT-CRF and than AdaCAN-BERT-CRF, p < 0.05.
PAPER_DAGGERS: dict[str, tuple[str, ...]] = {
    "twitter2015": ("LOC", "ORG", "MISC", "f1"),
    "twitter2017": ("PER", "LOC", "MISC"),
}
# Table 3, the ablations: overall precision, recall and F1.
PAPER_TABLE_3: dict[str, dict[str, tuple[float, float, float]]] = {
    "twitter2015": {
        "umt-bert-crf-no-esd": (70.48, 74.80, 72.58),
        "umt-bert-crf-no-conversion": (70.43, 74.98, 72.63),
        "umt-bert-crf-no-image-aware": (70.33, 75.44, 72.79),
        "umt-bert-crf-no-gate": (71.34, 75.15, 73.19),
    },
    "twitter2017": {
        "umt-bert-crf-no-esd": (84.60, 84.16, 84.42),
        "umt-bert-crf-no-conversion": (84.72, 84.97, 84.85),
        "umt-bert-crf-no-image-aware": (83.83, 85.94, 84.87),
        "umt-bert-crf-no-gate": (85.31, 84.68, 84.99),
    },
}
_PLACES = {system: i for i, system in enumerate((*PAPER_TABLE_2["twitter2015"], *PAPER_TABLE_3["twitter2015"]))}


def percent(value: float | None) -> str:
    """A figure from 0 to 1 as the paper prints it.

    >>> percent(0.84224), percent(None)
    ('84.22', '–')
    """
    return "–" if value is None else f"{100 * value:.2f}"


def place_in_paper(system: str) -> int:
    """For sorting systems as Table 2 and then Table 3 have them; others come last.

    >>> sorted(["umt-bert-crf-no-esd", "mine", "umt-bert-crf", "bert"], key=place_in_paper)
    ['bert', 'umt-bert-crf', 'umt-bert-crf-no-esd', 'mine']
    """
    return _PLACES.get(system, len(_PLACES))


def paper_figures(dataset: str, split: str, system: str) -> dict[str, float]:
    """What the paper prints for a system on a split, in percent; empty where it prints nothing: of all but test sets.

    Types give their F1, ``precision``, ``recall`` and ``f1`` are overall.
    """
    if split != "test":
        return {}
    if whole := PAPER_TABLE_2.get(dataset, {}).get(system):
        return dict(zip(FIGURES, whole, strict=True))
    if overall := PAPER_TABLE_3.get(dataset, {}).get(system):
        return dict(zip(FIGURES[4:], overall, strict=True))
    return {}


def paper_differences(text_encoder: str, pictures: str, checkpoint: str = "", dataset: str = "") -> list[str]:
    """Why a run's figures are not those of the paper's setting; none: they compare.

    Args:
        pictures: what they were, empty where the system reads none.
        checkpoint, dataset: ``<set>/<system>``, perhaps with a version after an @, and the data that it was asked.
    """
    reasons = []
    family, _, version = checkpoint.partition("@")
    if (of := family.partition("/")[0]) not in ("", dataset) and not of.startswith(f"{dataset}-"):
        reasons.append(f"checkpoint set {of}, the data are {dataset}")
    if version not in ("", ORIGINAL):
        reasons.append(f"version {version}, which was trained on")
    if text_encoder != "bert-base-cased":
        reasons.append(f"text encoder {text_encoder}, the paper's is bert-base-cased")
    if "stand-in" in pictures.lower():
        reasons.append(f"pictures: {pictures}")
    return reasons
