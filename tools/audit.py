"""Looks up known vulnerabilities of all that is pinned, with pip-audit.

    python tools/audit.py [--osv-url URL] [REQUIREMENTS.txt ...]

Asks osv.dev, or what ``--osv-url`` names, about the packages of files with pins that this system installs; by default
of all of ours. Ends with 0 if nothing is known that ``tools/audit.toml`` does not explain, with 1 if something is, and
with 2 if not all could be looked up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINS = tuple(ROOT / name for name in ("requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"))
IGNORED = ROOT / "tools" / "audit.toml"
OSV = "https://api.osv.dev/v1/query"


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """What is known of a pinned package."""

    package: str
    version: str
    ids: tuple[str, ...]  # its names in all lists; the first is the one of the list that was asked
    fixed: tuple[str, ...]  # versions
    said: str

    @property
    def line(self) -> str:
        mended = f"mended in {', '.join(self.fixed)}" if self.fixed else "not mended in any version"
        return f"{self.package} {self.version}: {' '.join(self.ids)}, {mended}: {' '.join(self.said.split())[:200]}"


def command(files: list[Path], url: str) -> list[str]:
    # Without --strict what could not be looked up would be passed over, and the end would be "none found".
    fixed = ["--require-hashes", "--disable-pip", "--strict", "--progress-spinner=off", "--format=json"]
    named = [argument for file in files for argument in ("--requirement", str(file))]
    return [sys.executable, "-m", "pip_audit", *fixed, "--vulnerability-service=osv", f"--osv-url={url}", *named]


def parse_report(text: str) -> list[Vulnerability]:
    """Of pip-audit's JSON (``ValueError``, ``KeyError``: it is none)."""
    found = []
    for row in json.loads(text)["dependencies"]:
        for known in row["vulns"]:
            ids = (known["id"], *known.get("aliases", ()))
            found.append(
                Vulnerability(row["name"], row["version"], ids, tuple(known["fix_versions"]), known["description"])
            )
    return sorted(found, key=lambda vulnerability: (vulnerability.package, vulnerability.ids))


def parse_ignored(text: str) -> list[dict[str, str]]:
    """The entries of ``audit.toml`` (``ValueError``: one lacks its reason, or it is not in that form)."""
    entries: Any = tomllib.loads(text).get("ignored", [])
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or entry.keys() != {"id", "package", "reason"} or not all(entry.values()):
            raise ValueError(f"entry {number}: wanted id, package and reason, got {entry}")
    return list(entries)


def judge(found: list[Vulnerability], ignored: list[dict[str, str]]) -> tuple[list[Vulnerability], list[str]]:
    """What is not explained; and a line for each explanation that explains nothing."""
    explains = [[v for v in found if entry["id"] in v.ids and entry["package"] == v.package] for entry in ignored]
    stale = [
        f"{entry['id']} of {entry['package']}: nothing pinned has it any more; remove the entry"
        for entry, explained in zip(ignored, explains, strict=True)
        if not explained
    ]
    return [v for v in found if not any(v in explained for explained in explains)], stale


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python tools/audit.py", description="known vulnerabilities of what is pinned"
    )
    parser.add_argument("--osv-url", default=OSV)
    parser.add_argument("--ignored", type=Path, default=IGNORED)
    parser.add_argument("files", nargs="*", type=Path, default=list(PINS))
    asked = parser.parse_args(arguments)
    done = subprocess.run(command(asked.files, asked.osv_url), capture_output=True, text=True)
    try:
        found = parse_report(done.stdout)
        ignored = parse_ignored(asked.ignored.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        why = (done.stderr.strip() or "no answer").splitlines()[-1]
        print(f"wanted all pins looked up at {asked.osv_url}, got: {why}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"{asked.ignored}: {error}", file=sys.stderr)
        return 2
    unexplained, stale = judge(found, ignored)
    for line in [*(v.line for v in unexplained), *stale]:
        print(line)
    names = ", ".join(file.name if file not in PINS else str(file.relative_to(ROOT)) for file in asked.files)
    print(f"{names}: {len(unexplained)} known vulnerabilities not explained, {len(found) - len(unexplained)} explained")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
