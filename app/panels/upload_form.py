"""The form that tweets of one's own are uploaded with, what a table may look like, and how far an upload is."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import access, markup, state
from app.panels import upload_job, upload_report
from umt_core.access.users import Role
from umt_core.corrections.exchange import FORMS
from umt_core.corrections.exchange.rows import REFUSE, REPAIR
from umt_core.data.archive import MOST_FILES, SUFFIXES
from umt_core.data.datasets import data_sets
from umt_core.data.images import MAX_BYTES, MAX_PIXELS
from umt_core.data.own import MOST_TWEETS, MY_TWEETS, check_name
from umt_core.errors import DataError
from umt_core.schema import MOST_WORDS
from umt_core.upload import LONGEST_ID, MOST_BYTES, MOST_ROWS

NONE, ARCHIVE, FOLDER = "none", "archive", "folder"
_PICTURES = {NONE: "None", ARCHIVE: "ZIP archive", FOLDER: "Folder"}
_BIO = {REFUSE: "Refuse the tweet", REPAIR: "Repair them, and list what was done"}
_TABLES = [suffix for form in FORMS.values() if not form.folder for suffix in form.suffixes]

_EXAMPLES = {
    "Text": "id,text,image\n1,Rain over Lake Geneva,lake.jpg\n2,No picture here,",
    "Labels by row": "id,text,start,end,label\n1,Ann sings in Oslo,0,1,PER\n1,Ann sings in Oslo,3,4,LOC\n2,nobody,,,O",
    "Tags": "id,tokens,tags\n1,Ann sings in Oslo,B-PER O O B-LOC",
    "JSON lines": '{"id": "1", "text": "Rain over Lake Geneva", "image": "lake.jpg"}\n'
    '{"id": "2", "tokens": ["in", "Oslo"], "spans": [{"start": 1, "end": 2, "label": "LOC"}]}',
    "CoNLL": "IMGID:1\nAnn\tB-PER\nsings\tO\n\nIMGID:2\nrain\tO",
}


def show() -> None:
    """Draws the form, or in its place how far an upload is; under it the report of the last one."""
    last = upload_job.newest()
    if last is not None and last.running:
        _progress()
        return
    if last is not None:
        upload_report.show(last)
    with st.container(border=True):
        _form()
    with st.expander("What a table may look like, and how much it may hold"):
        _help()


def _form() -> None:
    own = [found.name for found in data_sets() if found.own]
    left, right = st.columns(2, gap="medium")
    with left:
        name = st.selectbox(
            "Add to",
            list(dict.fromkeys([*own, MY_TWEETS])),
            index=None,
            accept_new_options=True,
            placeholder="Choose one, or type a new name",
            key=state.Key.OWN_NAME,
            help="Small letters, digits, - and _. One that is there gets more tweets.",
            persist_state="session",
        )
        table = st.file_uploader(
            "Table of tweets",
            type=_TABLES,
            key=state.own_uploader_key("table"),
            max_upload_size=MOST_BYTES // 1_000_000,
            help="CSV with a line of column names, JSON lines, CoNLL or another form that is read here",
        )
    with right:
        how = st.segmented_control(
            "Pictures",
            list(_PICTURES),
            default=NONE,
            format_func=lambda value: _PICTURES[value],
            key=state.Key.OWN_PICTURES,
            required=True,
            persist_state="session",
        )
        archive, files = _picture_uploader(how)
        coming = how != NONE and not (archive or files)  # not chosen yet, or still on their way here
        bio = st.radio(
            "Labels that are not in order",
            list(_BIO),
            format_func=lambda value: _BIO[value],
            key=state.Key.OWN_BIO,
            help="An I- that continues nothing, a label that is none of ours, entities that overlap",
            persist_state="session",
        )
    why_not = access.why_not(Role.ANNOTATE)
    if why_not:
        st.info(markup.plain(f"Nothing can be added: {why_not}."))
    wrong = _complaint(name)
    if wrong:
        st.warning(markup.plain(wrong))
    st.button(
        "Add the tweets",
        type="primary",
        icon=":material/upload:",
        disabled=not name or table is None or coming or bool(wrong) or bool(why_not),
        help="Its pictures are not here yet. Choose None to add the tweets without." if coming else None,
        on_click=access.guarded(Role.ANNOTATE, _start),
        args=(name, table, archive, files, bio),
    )
    st.caption("Rows that cannot be read are listed; the rest is added. As a command:")
    st.code(_command(name, table, how, archive, bio), language="bash", wrap_lines=True)


def _picture_uploader(how: str) -> tuple[UploadedFile | None, list[UploadedFile]]:
    if how == ARCHIVE:
        found = st.file_uploader("ZIP archive of pictures", type="zip", key=state.own_uploader_key("archive"))
        return found, []
    if how == FOLDER:
        key = state.own_uploader_key("folder")
        kinds = [suffix[1:] for suffix in SUFFIXES]
        return None, st.file_uploader("Folder of pictures", type=kinds, accept_multiple_files="directory", key=key)
    return None, []


def _complaint(name: str | None) -> str | None:
    try:
        if name:
            check_name(name)
    except DataError as error:
        return str(error)
    return None


def _start(name: str, table: UploadedFile, archive: UploadedFile | None, files: list[UploadedFile], bio: str) -> None:
    given = upload_job.Given(
        name=name,
        table_name=table.name,
        table=table.getvalue(),
        bio=bio,
        archive=archive,
        archive_name="" if archive is None else archive.name,
        files={file.name: file for file in files},
    )
    upload_job.start(given)
    state.empty_own_uploaders()


def _command(name: str | None, table: UploadedFile | None, how: str, archive: UploadedFile | None, bio: str) -> str:
    words = ["data", "add", name or "NAME", "--input", table.name if table else "tweets.csv"]
    if how != NONE:
        words += ["--images", archive.name if archive else "pictures.zip" if how == ARCHIVE else "pictures"]
    return markup.command(*words, *(("--bio", bio) if bio != REFUSE else ()))


@st.fragment(run_every=0.5)
def _progress() -> None:
    last = upload_job.newest()
    if last is None or not last.running:
        st.rerun()
    with st.container(border=True):
        st.markdown(f"**Adding {markup.plain(last.table_name)} to {markup.plain(last.name)}**")
        st.progress(last.fraction, text=markup.plain(last.line))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Stop", on_click=access.guarded(Role.ANNOTATE, last.stop), disabled=last.stopping)
            st.caption("You can leave this page meanwhile. Until all rows have been looked at nothing is added.")


def _help() -> None:
    st.markdown(
        "The first line of a CSV names its columns: **text**, or **tokens** with spaces between. Commas, semicolons, "
        "tabs or bars part them. **id**, **image** and labels may be missing: a tweet without an id gets one, and a "
        "tweet without labels can be labelled on the Correct page. Save it as UTF-8. **image** is a picture's path, "
        "its name, or that without its suffix; without that column a picture is found by the tweet's id."
    )
    for tab, text in zip(st.columns(2), (("Text", "Labels by row"), ("Tags", "JSON lines", "CoNLL")), strict=True):
        with tab:
            for title in text:
                st.caption(title)
                st.code(_EXAMPLES[title], language=None)
    st.caption(
        f"At most: {MOST_ROWS:,} tweets and {MOST_BYTES // 1_000_000} MB a table, {MOST_TWEETS:,} tweets a data set, "
        f"{MOST_WORDS:,} words a tweet, {LONGEST_ID} characters an id, {MOST_FILES:,} files an archive, "
        f"{MAX_BYTES // 1_000_000} MB and {MAX_PIXELS // 1_000_000} million pixels a picture. "
        "Larger archives than the browser may send go in by the command line."
    )
