"""What is known of one word: where it looks, its gate, what main tagger and span detector add to its tags."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import figures, markup, state, tables
from app.panels import charts, overlay
from app.panels.findings import View
from umt_core.explain import attention as maps
from umt_core.schema import GRID, Inspection

NOT_PROOF = "Attention shows where a layer looked, not why the tagger decided: it is a hint to check, no proof."
ESD_MOVES_BOUNDARIES = (
    "The conversion matrix is uniform: it gives B to all four types alike, and I likewise. "
    "So the span detector can move boundaries and never favours a type."
)
ESD_FAVOURS_TYPES = (
    "Training moved the conversion matrix away from uniform: one ESD tag gives up to {:.3f} more to one type "
    "than to another, for each point of its score. So the span detector can favour a type here."
)
NO_PICTURE = "No picture: the map is even over 49 zero blocks and says nothing. The gate is still computed."


def word_name(view: View) -> str:
    return markup.plain(f"“{markup.visible(view.example.tokens[view.word])}”")


def attention(view: View) -> None:
    """The map over the picture for the chosen word, with its checks and its table."""
    lookers = view.lookers
    choice = state.attention_choice(lookers)
    from_blocks = choice is not None and not choice[0].rows_are_words
    st.subheader(
        f"{'Blocks that look at' if from_blocks else 'Where the model looks for'} {word_name(view)}", anchor=False
    )
    if choice is None:
        st.text(
            "These taggers read text only. Where a set has MT or UMT, choose one in the sidebar to see where it looks."
        )
        return
    st.segmented_control(
        "Map",
        [m.name for m in maps.maps_of(lookers[choice[2]])],
        format_func=lambda name: maps.get_map(name).title,
        key=state.Key.MAP,
        required=True,
        persist_state="session",
    )
    system, head = st.columns(2)
    system.segmented_control("Tagger", list(lookers), key=state.Key.SYSTEM, required=True, persist_state="session")
    count = maps.heads(lookers[choice[2]])
    head.selectbox(
        "Head",
        range(count + 1),
        format_func=lambda n: f"Head {n}" if n else f"Mean of {count} heads" if count > 1 else "The only head",
        key=state.Key.HEAD,
        persist_state="session",
    )
    map_, chosen_head, title = choice
    if view.word >= (read := view.read_by(title)):
        st.text(f"{title} read the first {read} words only; this one came after them.")
        return
    weights = maps.weights(lookers[title], map_, chosen_head)
    row = weights[view.word]
    overlay.show(view.doc, view.image or "", view.picture, map_, row, view.block)
    if view.picture is None:
        st.caption(NO_PICTURE)
    else:
        size = f"{view.picture.width} × {view.picture.height}"
        read_as = maps.READ_AS[view.settings[title].image_transform]
        st.caption(f"Shown in its proportions ({size}); the model {read_as}.")
    st.caption(_check(map_, weights, view.word))
    st.caption(f"**{map_.title.capitalize()} gives {map_.feeds}.** {map_.means(lookers[title])} {NOT_PROOF}")
    _tables(view, map_, weights)


def _check(map_: maps.AttentionMap, weights: np.ndarray, word: int) -> str:
    """One line that lets a reader check the map: what its rows add up to, how even they are."""
    if map_.rows_are_words:
        row = weights[word]
        share = maps.entropy(row) / maps.MOST_ENTROPY
        return f"Check: row sum over 49 blocks **{row.sum():.3f}** · entropy **{share:.1%}** of an even row's"
    shares = weights.sum(axis=0)
    return (
        f"Check: of each block's row the words hold **{shares.min():.3f}** to **{shares.max():.3f}**; "
        "with [CLS] and [SEP] it sums to 1"
    )


def _tables(view: View, map_: maps.AttentionMap, weights: np.ndarray) -> None:
    number = st.column_config.NumberColumn(format="%.4f")
    if view.block is not None:
        row, column = view.block // GRID + 1, view.block % GRID + 1
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Words at the block in row {row}, column {column}**")
            st.button("Clear", on_click=state.clear_block, type="tertiary")
        table = tables.words_of_block([markup.visible(t) for t in view.example.tokens], weights[:, view.block])
        st.dataframe(
            table,
            hide_index=True,
            height=210,
            column_config={"Weight": number},
            alt="Words by their weight at the block",
        )
    with st.expander("Strongest blocks as a table"):
        table = tables.top_blocks(weights[view.word])
        if not map_.rows_are_words:  # an even share over blocks means nothing where blocks are the rows
            table = table.drop(columns="Of an even share")
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "Weight": number,
                "Of an even share": st.column_config.NumberColumn(format="%.2f ×"),
            },
            alt="Blocks by their weight for the chosen word",
        )


def gate(view: View) -> None:
    """The visual gate of each word as bars."""
    st.subheader("How much of the picture each word takes", anchor=False)
    choice = state.attention_choice(view.lookers)
    inspection = view.lookers[choice[2]] if choice else None
    if inspection is None or inspection.gate is None:
        st.text("None of these taggers has a gate; MT and UMT do." if choice is None else f"{choice[2]} has no gate.")
        return
    labels = [markup.visible(token) for token in view.example.tokens[: len(inspection.gate)]]
    table = tables.gates(labels, inspection.gate)
    st.plotly_chart(
        charts.built(figures.gate_bars, table, labels, view.word),
        config={"displayModeBar": False},
        key="gate",
        alt="Mean gate of each word; the table below has the numbers",
    )
    st.caption(
        f"Visual gate of {choice[2] if choice else ''}: mean over {inspection.gate.shape[1]} dimensions; "
        f"the whisker holds the middle 80 % of them. {maps.gate_caveat(inspection)}"
    )
    with st.expander("Gate as a table"):
        number = st.column_config.NumberColumn(format="%.3f")
        st.dataframe(table, hide_index=True, column_config=dict.fromkeys(table.columns[1:], number))


def contributions(view: View) -> None:
    """What the main tagger and the span detector of UMT, or of an ablation, each give to the chosen word."""
    title, inspection = view.esd or ("", None)
    if inspection is None or view.word >= view.read_by(title):
        return
    table = tables.contributions(inspection, view.word)
    if table.empty:
        return
    st.subheader(f"What each part of {markup.plain(title)} says of {word_name(view)}", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            charts.built(figures.contribution_bars, table),
            config={"displayModeBar": False},
            key="contributions",
            alt="Scores of each tag by part; the table has the numbers",
        )
        st.markdown(_esd_line(inspection, view.word))
        matrix = inspection.conversion
        spread = 0.0 if matrix is None else tables.type_spread(matrix, inspection.tags)
        st.caption(ESD_MOVES_BOUNDARIES if spread < tables.UNIFORM_WITHIN else ESD_FAVOURS_TYPES.format(spread))
    with right:
        number = st.column_config.NumberColumn(format="%.2f")
        st.dataframe(
            table,
            hide_index=True,
            column_config=dict.fromkeys(table.columns[1:], number),
            alt="Emissions of each tag by part, and the CRF's marginal",
        )
        st.caption("The CRF decodes the sum (equation 7); probability is its marginal, given the tweet.")


def _esd_line(inspection: Inspection, word: int) -> str:
    tag, p = tables.esd(inspection)[word]
    return f"The span detector (ESD) says **{tag}** here, with probability **{p:.2f}**."
