"""Hours of mixed use by several annotators at once, each in a browser window of their own: ``make soak``.

They label tweets by keys, take answers back, have a tweet of their own read by three taggers, and export; once, a
retraining runs beside them. What is counted: errors on pages, events that a page called saved and the store does not
have as they were, exports that failed, and the server's memory from the first tenth of the time to the end.

    python -m benchmarks.soak --minutes 60 --annotators 10
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import own_memory
from benchmarks.serving import CHROMIUM, FLAGS, ROOT, serving, waiting
from umt_core.corrections.store import Store
from umt_core.data.files import write_text
from umt_core.data.jsonl import write_jsonl
from umt_core.data.samples import load_samples
from umt_core.schema import Example

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

RESULTS = Path(__file__).parent / "results" / "soak.json"
WAIT = 60_000  # ms
TWEETS = 2_000  # of each annotator's data set
TYPES = {"1": "PER", "2": "LOC", "3": "ORG", "4": "MISC"}
WEIGHTS = {"label": 70, "undo": 8, "inspect": 14, "export": 5, "reload": 3}
LOOKING = (1.0, 6.0)  # seconds that a person looks before they do the next thing


@dataclass(slots=True)
class Annotator:
    """What one of them has done, as far as pages have said that it is stored."""

    name: str
    data: str
    seconds: dict[str, list[float]] = field(default_factory=dict)  # by kind of action
    labels: dict[str, str] = field(default_factory=dict)  # the type that each tweet's second word has
    acknowledged: set[int] = field(default_factory=set)  # numbers of events
    order: list[str] = field(default_factory=list)  # tweets in the order of their labels
    errors: list[str] = field(default_factory=list)


class Soak:
    def __init__(self, folder: Path, minutes: float, annotators: int, seed: int) -> None:
        self.folder, self.minutes, self.seed = folder, minutes, seed
        self.annotators = [Annotator(f"Annotator {i}", f"soak-{i}") for i in range(annotators)]
        self.environment = os.environ | {
            "UMT_DATA": str(folder / "data"),
            "UMT_HOME": str(folder / "home"),
            "UMT_STORE": "",
            "UMT_PREDICTIONS": str(folder / "predictions"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self.memory: list[tuple[float, int]] = []  # seconds since the start, KiB of the server

    def write_data(self) -> None:
        texts = [sample.example for sample in load_samples() if len(sample.example.tokens) > 3]
        for annotator in self.annotators:
            tweets = [
                Example(f"{annotator.data}-{i}", texts[i % len(texts)].tokens, image=None, spans=())
                for i in range(TWEETS)
            ]
            (self.folder / "data" / annotator.data).mkdir(parents=True)
            write_jsonl(self.folder / "data" / annotator.data / "test.jsonl", tweets)

    async def run(self) -> dict[str, Any]:
        from playwright.async_api import async_playwright

        self.write_data()
        with serving(environment=self.environment) as (url, server):
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
                self.began = time.monotonic()
                self.end = self.began + 60 * self.minutes
                watching = asyncio.create_task(self.watch_memory(server.pid))
                retraining = asyncio.create_task(self.retrain())
                await asyncio.gather(*(self.annotate(browser, url, who) for who in self.annotators))
                job = await retraining
                watching.cancel()
                await browser.close()
            alive = server.poll() is None
        return self.report(job, alive)

    async def annotate(self, browser: Browser, url: str, who: Annotator) -> None:
        """One person's hour; what goes wrong is noted, and they open the page again as a person would."""
        rng = random.Random(f"{self.seed} {who.name}")
        context = await browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: who.errors.append(f"script: {error}"[:300]))
        await self.attempt(who, "open", lambda: self.open(page, who, first=True))
        while time.monotonic() < self.end:
            kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if kind == "undo" and not who.order:
                continue
            works: dict[str, Callable[[], Awaitable[None]]] = {
                "label": lambda: self.label(page, who, rng),
                "undo": lambda: self.undo(page, who),
                "inspect": lambda: self.inspect(page, who, rng),
                "export": lambda: self.export(who),
                "reload": lambda: self.open(page, who, first=False),
            }
            if not await self.attempt(who, kind, works[kind]):
                await self.attempt(who, "open", lambda: self.open(page, who, first=False))
            await asyncio.sleep(rng.uniform(*LOOKING))
        await context.close()

    async def attempt(self, who: Annotator, kind: str, work: Callable[[], Awaitable[None]]) -> bool:
        began = time.monotonic()
        try:
            await work()
        except Exception as error:  # whatever it is, it is counted, and the hour goes on
            who.errors.append(f"{kind}: {str(error).splitlines()[0]}"[:300])
            return False
        who.seconds.setdefault(kind, []).append(time.monotonic() - began)
        return True

    async def open(self, page: Page, who: Annotator, *, first: bool) -> None:
        await page.goto(f"/correct?data={who.data}/test")
        await page.locator(".text .word").first.wait_for()
        if first:
            await page.get_by_role("textbox", name="Your name").fill(who.name)
            await page.keyboard.press("Enter")
            await page.evaluate(waiting("document.cookie.includes('mner_author=')"))
            await page.locator(".text").click()

    async def label(self, page: Page, who: Annotator, rng: random.Random) -> None:
        """Labels the second word of the tweet that is open, sees it saved, and goes on to the next."""
        place = await page.locator(".place").inner_text()
        number = int(re.findall(r"\d+", place.replace(",", ""))[0])
        shown = await page.locator(".text .tag").all_inner_texts()
        key = rng.choice([key for key, label in TYPES.items() if label not in shown])  # the same again is no event
        await page.locator(".text").click(position={"x": 2, "y": 2})
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press(key)
        await self.saved(page, who)
        tweet = f"{who.data}-{number - 1}"
        who.labels[tweet] = TYPES[key]
        who.order.append(tweet)
        await page.keyboard.press("n")
        await page.evaluate(waiting("document.querySelector('.place')?.innerText !== value"), place)

    async def undo(self, page: Page, who: Annotator) -> None:
        await page.keyboard.press("u")
        await self.saved(page, who)
        who.labels.pop(who.order.pop(), None)

    async def saved(self, page: Page, who: Annotator) -> None:
        """Waits for a page to say that an event is stored which it has not said before."""
        line = page.locator(".status").get_by_text(re.compile("saved ✓ event"))
        for _ in range(600):
            await line.wait_for()
            found = re.search(r"event ([\d,]+)", await line.inner_text())
            number = int(found[1].replace(",", "")) if found else 0
            if number and number not in who.acknowledged:
                who.acknowledged.add(number)
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("wanted the page to say that an event is saved, it did not in a minute")

    async def inspect(self, page: Page, who: Annotator, rng: random.Random) -> None:
        await self.turn_to(page, "Inspect")
        box = page.get_by_role("textbox", name="Tweet")
        await box.fill(f"{who.name} met Ann{rng.randrange(10**6)} in Oslo")
        await page.get_by_role("button", name="Analyse").click()
        await page.locator(".word", has_text=re.compile(r"Ann\d+")).first.wait_for()
        await self.no_error(page)
        await self.turn_to(page, "Correct")
        await page.locator(".text .word").first.wait_for()

    async def turn_to(self, page: Page, title: str) -> None:
        await page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        await page.get_by_role("heading", name=title, level=1).wait_for()

    async def export(self, who: Annotator) -> None:
        target = self.folder / f"{who.data}.conll"
        data = ("--data", f"{who.data}/test", "--format", "conll")
        await self.command("corrections", "export", *data, "--output", str(target))

    async def command(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "umt_core", *arguments, cwd=ROOT, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments[:2])} ended with {process.returncode}: {err.decode()[-200:]}")
        return out.decode()

    async def no_error(self, page: Page) -> None:
        if await page.locator('[data-testid="stException"]').count():
            raise RuntimeError("an exception on the page")

    async def retrain(self) -> str:
        """One retraining in the middle of it all; the state that it ends in."""
        await asyncio.sleep(60 * self.minutes / 4)
        arguments = ("--base", "twitter2017/bert-crf", "--train", "sample_data/tweets", "--epochs", "1")
        try:
            identity = (await self.command("jobs", "submit", *arguments)).split()[-1]
            while time.monotonic() < self.end + 600:
                shown = await self.command("jobs", "list")
                if re.search(r"\bdone\b", shown):
                    return "done"
                if re.search(r"\b(failed|interrupted|cancelled)\b", shown):
                    return f"not done: {identity}"
                await asyncio.sleep(5)
        except RuntimeError as error:
            return str(error)
        return "not done in time"

    async def watch_memory(self, pid: int) -> None:
        while True:
            self.memory.append((time.monotonic() - self.began, own_memory(pid) or 0))
            await asyncio.sleep(5)

    def report(self, job: str, alive: bool) -> dict[str, Any]:
        """What came of it; an event that a page called saved is lost where the store lacks it, or has other labels."""
        lost = 0
        with Store(f"sqlite:///{self.folder / 'home' / 'corrections.sqlite'}") as store:
            sound = store.verify()
            numbers = {event.number for event in store.events()}
            for who in self.annotators:
                lost += len(who.acknowledged - numbers)
                now = {key.tweet: found.spans for key, found in store.current(f"{who.data}/test").items()}
                for tweet, label in who.labels.items():
                    lost += [span.label for span in now.get(tweet) or ()] != [label]
        warm = [kib for at, kib in self.memory if at > 6 * self.minutes]  # from the first tenth on
        third = max(1, len(warm) // 3)
        first, last = median(warm[:third]), median(warm[-third:])
        seconds: dict[str, list[float]] = {}
        for who in self.annotators:
            for kind, values in who.seconds.items():
                seconds.setdefault(kind, []).extend(values)
        errors = [error for who in self.annotators for error in who.errors]
        return {
            "minutes": self.minutes,
            "annotators": len(self.annotators),
            "actions": {kind: len(values) for kind, values in seconds.items()},
            "median_seconds": {kind: round(median(values), 2) for kind, values in seconds.items()},
            "p95_seconds": {
                kind: round(sorted(values)[int(0.95 * len(values))], 2) for kind, values in seconds.items()
            },
            "events_in_store": sound,
            "events_acknowledged": sum(len(who.acknowledged) for who in self.annotators),
            "events_lost": lost,
            "errors": len(errors),
            "error_kinds": dict(Counter(errors).most_common(10)),
            "retraining": job,
            "server_alive": alive,
            "memory_mib_first_third": round(first / 1024, 1),
            "memory_mib_last_third": round(last / 1024, 1),
            "memory_growth": round(last / first - 1, 4),
        }


def main() -> int:
    """Exit code: 0, or 1 where something was lost or went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--annotators", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="umt-soak-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(Soak(Path(folder), given.minutes, given.annotators, given.seed).run())
    text = json.dumps(found, indent=2, ensure_ascii=False)
    print(text)
    write_text(given.json, text + "\n")
    return int(
        bool(found["errors"] or found["events_lost"] or found["retraining"] != "done" or not found["server_alive"])
    )


if __name__ == "__main__":
    sys.exit(main())
