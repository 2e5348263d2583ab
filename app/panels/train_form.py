"""Asking for a retraining: base, data, mode; what it comes to, and the button that starts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import access, jobs, markup, sets, tables
from app.state import Key
from umt_core.access.users import Role
from umt_core.config import MODES
from umt_core.corrections.store import default_url
from umt_core.errors import UmtError
from umt_core.registry import dataset_of
from umt_core.train.compose import Part
from umt_core.train.jobs import QUEUED, RUNNING, STOPPING, JobRequest, Plan, Status, devices_there, submit
from umt_core.train.telling import clock, counts, size

HELD_OUT = "a tenth of the training tweets, held out"
NO_TEST = "no test"
HELP = {
    "patience": "So many epochs without a better dev F1.",
    "train_layers": "From the top; those below stay as they are.",
}
# Measured: docs/performance.md, Training in several processes.
DEVICES = (
    "Number of processes that share each batch, one device each (this machine has {there} {what}). The result is meant "
    "to be the same. Useful only with several GPUs, which we have not tested; on a CPU it is no faster and each "
    "process needs its own memory."
)


def show(others: Sequence[Status]) -> None:
    """The form. ``others`` are the jobs that are there."""
    bases = jobs.bases()
    if not bases:
        st.info(f"There is no checkpoint to start from. Train one: `{markup.command('train', '--help')}`.")
        return
    with st.container(border=True):
        st.subheader("Train the next version", anchor=False)
        request = _request(bases)
        if request is None:
            return
        with st.spinner("Counting tweets …"):
            plan, complaint = jobs.plan(request)
        if plan is not None:
            _tell(plan)
        if complaint is not None:
            st.warning(markup.plain(complaint))
        busy = any(job.state in (QUEUED, RUNNING, STOPPING) for job in others)
        if why_not := access.why_not(Role.TRAIN):
            st.info(markup.plain(f"Nothing can be started: {why_not}."))
        st.button(
            "Put it into the queue" if busy else "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=plan is None or bool(why_not),
            on_click=_start,
            args=(request, st.session_state.get(Key.TRAIN_FORM, 0)),
            key=Key.TRAIN_START,
        )
        if line := st.session_state.pop(Key.TRAIN_COMPLAINT, None):
            st.error(markup.plain(line))
        st.caption(
            "It runs in a process of its own and goes on when the page or the app is closed. The same by command:"
        )
        st.code(jobs.command(request), language="bash", wrap_lines=True)


def _request(bases: dict[str, str]) -> JobRequest | None:
    """What the widgets say; ``None``: no data is chosen."""
    names = list(bases)
    if (asked := st.query_params.get("base")) is not None:
        # A family's name stands for the version that is served, its first.
        linked = next((name for name in names if asked in (name, name.partition("@")[0])), None)
        if linked is None:
            st.warning(markup.plain(f"The link asks for {asked!r}, which is not here; this is another one."))
        elif Key.TRAIN_BASE not in st.session_state:
            st.session_state[Key.TRAIN_BASE] = linked
    left, right = st.columns(2, gap="large")
    with left:
        base = st.selectbox(
            "Start from", names, index=_first(names), format_func=bases.__getitem__, key=Key.TRAIN_BASE,
            persist_state="session",
        )  # fmt: skip
        mode = st.segmented_control(
            "How much is trained", list(MODES), default="quick", format_func=str.capitalize, key=Key.TRAIN_MODE,
            persist_state="session", required=True,
        ) or "quick"  # fmt: skip
        st.caption(f"{mode.capitalize()}: {MODES[mode].about}.")
        dataset = dataset_of(base)
        valid = _judge("Choose the epoch by", f"{dataset}/valid", HELD_OUT, f"{Key.TRAIN_VALID}_{dataset}")
        test = _judge("Test on", f"{dataset}/test", NO_TEST, f"{Key.TRAIN_TEST}_{dataset}")
    with right:
        counted = jobs.corrections(default_url())
        parts = _parts(dataset, counted)
        corrected = _corrections(counted)
    teachers, unlabelled = _teachers(bases)
    more = _more(mode)
    if corrected is None:
        return None
    store, repeat, correct_valid = corrected
    if not parts:
        st.info("Choose tweets to train on.")
        return None
    try:
        return JobRequest(
            base=base,
            train=parts,
            valid=valid,
            test=test,
            mode=mode,
            store=store,
            teachers=teachers,
            unlabelled=unlabelled,
            repeat=repeat,
            correct_valid=correct_valid,
            author=access.author() or st.session_state.get(Key.AUTHOR) or "",
            **more,
        )
    except UmtError as error:
        st.warning(markup.plain(str(error)))
        return None


def _first(names: Sequence[str]) -> int:
    """The full tagger of the project's own set, if it is there."""
    wanted = ("twitter2017/umt-bert-crf@", "twitter2017/")
    return next((i for start in wanted for i, name in enumerate(names) if name.startswith(start)), 0)


def _judge(label: str, usual: str, none: str, key: str) -> Part | None:
    """The data set that the epoch is chosen by, or that the result is tested on."""
    options = [none, *sets.sources()]
    chosen = st.selectbox(
        label,
        options,
        index=options.index(usual) if usual in options else 0,
        format_func=lambda name: name if name == none else tables.data_set_title(name),
        key=key,
        persist_state="session",
    )
    return None if chosen == none else Part(chosen)


def _parts(dataset: str, counted: jobs.Corrections) -> tuple[Part, ...]:
    """The data sets to train on, and how much of each."""
    chosen = st.multiselect(
        "Train on",
        list(sets.sources()),
        default=jobs.usual_training(dataset, counted),
        format_func=tables.data_set_title,
        key=f"{Key.TRAIN_DATA}_{dataset}",
        persist_state="session",
    )
    parts = []
    for name in chosen:
        share = st.slider(
            f"Share of {markup.plain(tables.data_set_title(name))}",
            0, 100, 100, 5,
            format="%d %%",
            help="Of its tweets that nobody corrected; corrected ones all come in.",
            key=f"{Key.TRAIN_SHARE}_{name}",
            persist_state="session",
        )  # fmt: skip
        parts.append(Part(name, share / 100))
    return tuple(parts)


def _corrections(counted: jobs.Corrections) -> tuple[str | None, int, bool] | None:
    """The store to take labels from, how often a corrected tweet counts, and whether dev labels are corrected.

    ``None``: corrections cannot be read, and nobody said to do without.
    """
    if counted.complaint:
        st.warning(markup.plain(f"The corrected labels cannot be read: {counted.complaint}"))
        without = st.toggle("Train without them", key=Key.TRAIN_UNCORRECTED, persist_state="session")
        return (None, 1, False) if without else None
    if not counted.tweets:
        st.caption("No label is corrected yet: the data sets' own are used.")
        return None, 1, False
    listed = ", ".join(f"{number:,} in {tables.data_set_title(name)}" for name, number in counted.tweets.items())
    use = st.toggle("Use corrected labels", value=True, key=Key.TRAIN_CORRECTED, persist_state="session")
    st.caption(markup.plain(f"Tweets that people labelled: {listed}."))
    if not use:
        return None, 1, False
    repeat = st.number_input(
        "Each corrected tweet counts", 1, 20, 1, 1, key=Key.TRAIN_REPEAT, persist_state="session",
        help="How often it is read in an epoch: more weight for few corrections among many other tweets.",
    )  # fmt: skip
    correct_valid = st.checkbox(
        "Choose the epoch by corrected labels too", key=Key.TRAIN_CORRECT_VALID, persist_state="session",
        help="Dev F1 then compares with no earlier one.",
    )  # fmt: skip
    return default_url(), int(repeat), correct_valid


def _teachers(bases: dict[str, str]) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    """Taggers to learn from beside the labels, and tweets to learn of from them alone."""
    with st.expander("Learn from other taggers too", key=Key.TRAIN_TAUGHT):
        st.caption(
            "Before training, each teacher tags the tweets once, and the tagger learns these probabilities along with "
            "the labels. This helps most with a larger teacher and with tweets the teacher was not trained on."
        )
        left, right = st.columns(2, gap="large")
        teachers = left.multiselect(
            "Teachers", list(bases), format_func=bases.__getitem__, key=Key.TRAIN_TEACHERS, persist_state="session"
        )
        unlabelled = right.multiselect(
            "Tweets without their labels", list(sets.sources()), format_func=tables.data_set_title,
            disabled=not teachers, help="What the teachers say of them is learned. Labels that they have are not "
            "looked at, and tweets that stand in what the epoch is chosen by or tested on are left out.",
            key=Key.TRAIN_UNLABELLED, persist_state="session",
        )  # fmt: skip
    return tuple(teachers), tuple(Part(name) for name in unlabelled) if teachers else ()


def _more(mode: str) -> dict[str, Any]:
    """The fields of a request that seldom change; what is as the mode has it is ``None``."""
    usual, chosen = MODES[mode].train, {}
    with st.expander("More settings", key=Key.TRAIN_MORE):  # stays open where the form is drawn anew
        columns = st.columns(6)
        for column, name, title, key, low, high in (
            (columns[0], "epochs", "Epochs at most", Key.TRAIN_EPOCHS, 1, 1000),
            (columns[1], "patience", "Patience, in epochs", Key.TRAIN_PATIENCE, 1, 1000),
            (columns[2], "train_layers", "Encoder layers that move", Key.TRAIN_LAYERS, 0, 24),
        ):
            if usual[name] is not None:
                value = column.number_input(
                    title, low, high, usual[name], help=HELP.get(name), key=f"{key}_{mode}", persist_state="session"
                )
                chosen[name.removeprefix("train_")] = None if value == usual[name] else int(value)
        seed = columns[3].number_input("Seed", 0, 2**31 - 1, 0, key=Key.TRAIN_SEED, persist_state="session")
        version = columns[4].text_input(
            "Name of the version", key=Key.TRAIN_VERSION, placeholder="the job's number", persist_state="session"
        )
        there, what = devices_there()
        devices = columns[5].number_input(
            "Devices", 1, there, 1, help=DEVICES.format(there=there, what=what),
            disabled=there == 1, key=Key.TRAIN_DEVICES, persist_state="session",
        )  # fmt: skip
    return {**chosen, "seed": int(seed), "version": (version or "").strip(), "devices": int(devices)}


def _tell(plan: Plan) -> None:
    time = f"about {clock(plan.seconds)}" if plan.seconds else "time not known yet"
    need = f"{size(plan.memory)} of memory and {size(plan.disk)} of disk at most"
    st.markdown(f"**{markup.plain(counts(plan))}.** At most {plan.epochs} epochs, {time}; {need}.")
    if plan.corrections is not None:
        changed = f"{plan.corrections['changed']:,} of {plan.corrections['tweets']:,}"
        st.caption(f"Corrected labels differ from the data set's own in {changed} tweets.")
    for note in plan.notes:
        st.caption(markup.plain(note))


def _start(request: JobRequest, form: int) -> None:
    """Submits the job and opens it, once: who clicks again while the tweets are put together means the same job."""
    if form == st.session_state.get(Key.TRAIN_FORM, 0):
        st.session_state[Key.TRAIN_FORM] = form + 1
        st.session_state.pop(Key.TRAIN_SUBMITTED, None)
        _submit(request)
    if (job := st.session_state.get(Key.TRAIN_SUBMITTED)) is not None:
        st.query_params.from_dict({"job": job})


def _submit(request: JobRequest) -> None:
    try:
        access.require(Role.TRAIN)
        st.session_state[Key.TRAIN_SUBMITTED] = submit(request)
    except UmtError as error:
        st.session_state[Key.TRAIN_COMPLAINT] = str(error)
