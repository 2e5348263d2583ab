"""``pretrain``: a text encoder goes on learning from raw tweets, before a tagger is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from umt_core.commands.console import Device, out, progress_bar
from umt_core.commands.training import Interrupts, Stopped, TrainingView, assignments


def pretrain(
    input_: Annotated[
        list[Path], typer.Option("--input", help="Tweets, labelled or not (.jsonl, .txt). Give several.")
    ],
    output: Annotated[Path, typer.Option(help="Folder of the encoder; an unfinished run in it goes on.")],
    epochs: Annotated[int | None, typer.Option(help="By default 10.")] = None,
    text_encoder: Annotated[str, typer.Option(help="minilm, mpnet-base, a hub id, a folder")] = "minilm",
    seed: Annotated[int, typer.Option(help="Draws the order of tweets, the hidden subwords, and dropout.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: NAME=VALUE, e.g. --set learning_rate=1e-4")
    ] = None,
    device: Device = "auto",
) -> None:
    """Masked-language training on tweets. `train --init-encoder` starts from what it writes.

    The embeddings stay as published, so that a tagger made of it needs no other package.
    """
    from umt_core.config import PretrainSettings
    from umt_core.train.pretrain import PretrainJob
    from umt_core.train.pretrain import pretrain as run

    given = {"seed": seed} | ({"epochs": epochs} if epochs is not None else {}) | assignments(set_ or [])
    settings = PretrainSettings.from_dict(given)
    with progress_bar() as bar, Interrupts() as interrupted:
        done = run(
            PretrainJob(tuple(input_), output, text_encoder, settings, device),
            TrainingView(bar, settings.epochs, interrupted),
        )
    if done is None:
        raise Stopped(f"stopped; the same command goes on from the last whole epoch in {output}")
    last = done["history"][-1]["dev_loss"]
    out.print(f"{output}: {settings.epochs} epochs, held-out loss {last:.3f} nats a subword", highlight=False)
