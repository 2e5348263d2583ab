"""``sets crossfit``: out-of-fold predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from umt_core.commands.console import Device, ImagesOption, out, progress_bar, reporter
from umt_core.commands.training import Interrupts, Stopped, TrainingView, assignments


def crossfit(
    system: Annotated[list[str], typer.Option(help="bert-crf, mt-bert-crf or umt-bert-crf. Give several.")],
    data: Annotated[Path, typer.Option(help="Labelled tweets, such as a train split: .jsonl or CoNLL .txt.")],
    images: ImagesOption = None,
    folds: Annotated[int, typer.Option(help="Taggers that are trained: each leaves out one part of the tweets.")] = 5,
    text_encoder: Annotated[
        str, typer.Option(help="minilm, mpnet-base, bert-base-cased, a hub id, a folder")
    ] = "minilm",
    recipe: Annotated[
        str | None, typer.Option(help="As train --recipe; by default the one that train would take.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="At most; by default the recipe's.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the folds, and each tagger's weights, order and dropout.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: NAME=VALUE, e.g. --set dropout=0.2")
    ] = None,
    device: Device = "auto",
) -> None:
    """Tag each tweet by a tagger that was trained without it, for finding wrong labels among what taggers learn from.

    Ctrl-C stops: the same command goes on from the last whole epoch.
    """
    from umt_core.config import default_recipe, settings_of
    from umt_core.train import crossfit as training

    chosen = {"text_encoder": text_encoder, "epochs": epochs, "seed": seed} | assignments(set_ or [])
    for name in system:
        recipe_of_it = recipe or default_recipe(name, text_encoder)
        model, settings = settings_of(recipe_of_it, **chosen)
        plan = training.Plan(data, name, model, settings, folds, images, recipe=recipe_of_it, device=device)
        with progress_bar() as bar, Interrupts() as interrupted:
            view = TrainingView(bar, settings.epochs, interrupted)
            found = training.crossfit(plan, view, progress=reporter(bar))
        if found is None:
            raise Stopped("stopped; the same command goes on from the last whole epoch")
        out.print(f"{found.name}: {', '.join(found.runs)}, in {found.folder}", markup=False, highlight=False)
