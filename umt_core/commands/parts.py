"""``predict`` into a folder of Parquet parts, in this process or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umt_core.commands.console import check_place, progress_bar, say
from umt_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Parts:
    """How parts are made; the options of ``predict`` that JSONL has not."""

    engine: str  # local or ray
    address: str | None
    workers: int
    chunk: int  # tweets
    strict_images: bool
    features: Path | None
    to_jsonl: Path | None


def predict_parts(
    checkpoints: Sequence[str], input: Path, output: Path, images: Path | None, device: str, parts: Parts
) -> None:
    """Makes the parts that are not there yet, and says what all of them come to.

    Raises:
        UmtError: as ``make_plan``, ``run_here`` and ``run_on_cluster``.
    """
    from umt_core.data.files import locked, write_pieces
    from umt_core.data.images import ImageIndex
    from umt_core.distributed.parts import clear_unfinished, count_parts, part_path, predictions_jsonl
    from umt_core.distributed.plan import FAILED, make_plan

    if output.exists() and not output.is_dir():
        raise DataError(f"{output}: wanted a folder of Parquet parts, got a file")
    if parts.to_jsonl:
        check_place(parts.to_jsonl)
    if images is not None:
        ImageIndex.open(images)  # says what is wrong with it before any work is done
    features = None if parts.features is None else parts.features.resolve()
    with locked(output):
        clear_unfinished(output)
        plan, chunks = make_plan(
            input, output, checkpoints, images=images, strict_images=parts.strict_images, chunk=parts.chunk
        )
        todo = [chunk for chunk in chunks if not part_path(output, chunk).exists()]
        if len(todo) < len(chunks):
            say(f"{len(chunks) - len(todo)} of {len(chunks)} parts are there already")
        with progress_bar() as bar:
            task = bar.add_task("parts", total=len(chunks), completed=len(chunks) - len(todo))

            def advance(_: object) -> None:
                bar.advance(task)

            if parts.engine == "ray":
                from umt_core.distributed.cluster import run_on_cluster

                run_on_cluster(
                    plan,
                    todo,
                    address=parts.address,
                    workers=parts.workers,
                    device=device,
                    features=features,
                    finished=advance,
                )
            elif todo:
                from umt_core.distributed.tagging import ChunkTagger, run_here

                run_here(plan, todo, ChunkTagger(plan, device, features), advance)
        clear_unfinished(output)
        counts = count_parts(output, chunks)
        tweets = sum(chunk.tweets for chunk in chunks)
        if counts.parts != len(chunks) or counts.written + counts.failed != tweets:
            raise DataError(
                f"{output}: wanted {tweets} tweets in {len(chunks)} parts, got {counts.written} and {counts.failed}"
                f" that failed in {counts.parts}; the same command makes the missing parts"
            )
        if parts.to_jsonl:
            write_pieces(parts.to_jsonl, predictions_jsonl(output))
    if counts.failed:
        say(f"{counts.failed} tweets failed, see {output / FAILED}")
    say(f"{counts.written} tweets written to {output} in {counts.parts} parts")
