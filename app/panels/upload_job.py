"""Uploads in the background: a table and its pictures go into an own data set while the pages stay usable."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import streamlit as st

from app import state
from app.work import Work
from umt_core.data.archive import Pictures, file_pictures, zip_pictures
from umt_core.errors import DataError
from umt_core.upload import Report, upload

_UPLOADER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="uploading")


@dataclass(frozen=True, slots=True)
class Given:
    """What the reader gave."""

    name: str  # of the data set
    table_name: str
    table: bytes
    bio: str
    archive: BinaryIO | None = None  # a ZIP
    archive_name: str = ""
    files: Mapping[str, BinaryIO] | None = None  # or pictures one by one


class Upload(Work):
    """An upload, under way or over. Sessions only read it."""

    STOPPED = "Stopped. Nothing was added."

    def __init__(self, given: Given) -> None:
        super().__init__()
        self.name, self.table_name = given.name, given.table_name
        self.given: Given | None = given
        self.found: Report | None = None

    @property
    def line(self) -> str:
        """How far it is."""
        if not self.done:
            return f"{self.what} …"
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.what}: {self.done:,}{of} tweets"

    def work(self) -> None:
        given, self.given = self.given, None  # what was given is large, and not wanted after this
        assert given is not None
        with tempfile.TemporaryDirectory() as folder:
            # Of the name only the end is used, which tells the form.
            table = Path(folder) / f"table{Path(given.table_name).suffix.lower()[:12]}"
            table.write_bytes(given.table)
            try:
                self.found = upload(given.name, table, _pictures(given), bio=given.bio, progress=self.report)
            except DataError as error:
                raise DataError(str(error).replace(str(table), given.table_name)) from error


def _pictures(given: Given) -> Pictures | None:
    if given.archive is not None:
        return zip_pictures(given.archive, name=given.archive_name)
    return file_pictures(given.files) if given.files else None


@st.cache_resource(show_spinner=False)
def _uploads() -> list[Upload]:
    """Those that are not over, of all sessions."""
    return []


def newest() -> Upload | None:
    """This session's last upload; where it has none, one that is under way: the page may have been loaded again."""
    running = [upload for upload in _uploads() if upload.running]
    if running:
        st.session_state.setdefault(state.Key.OWN_UPLOAD, running[-1])
    found: Upload | None = st.session_state.get(state.Key.OWN_UPLOAD)
    return found


def start(given: Given) -> None:
    """Begins an upload, when those before it are over; a second click while this session's own is not does nothing."""
    own: Upload | None = st.session_state.get(state.Key.OWN_UPLOAD)
    if own is None or not own.running:
        started = st.session_state[state.Key.OWN_UPLOAD] = Upload(given)
        _uploads()[:] = [*(upload for upload in _uploads() if upload.running), started]
        _UPLOADER.submit(started.run)


def forget() -> None:
    """Puts the report of this session's last upload away."""
    if (last := newest()) is not None and not last.running:
        del st.session_state[state.Key.OWN_UPLOAD]
