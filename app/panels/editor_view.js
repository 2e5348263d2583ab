// Draws the span editor, from its state; tweets are shown by textContent only.

function button(text, key, title, onclick, className = "") {
  const node = element("button", className, text);
  node.type = "button";
  if (key) { const hint = element("kbd", "", key); hint.setAttribute("aria-hidden", "true"); node.append(hint); }
  if (title) node.title = title;
  node.onclick = onclick;
  return node;
}

// What is drawn anew loses the focus, and a click that has begun on it: only what is made of something else is.
function fill(holder, of, make) {
  const sign = JSON.stringify(of);
  if (holder.sign === sign) return;
  holder.sign = sign;
  holder.replaceChildren(...make());
}

function spoken(now, i, span) {
  const inside = span ? `, ${span[2]} entity ${words(now, span)}` : "";
  return `${now.words[i]}, word ${i + 1} of ${now.words.length}${inside}`;
}

function drawText(ed) {
  const now = item(ed), { spans } = draft(ed), [start, end] = selection(ed), text = ed.parts.text;
  const extended = ed.anchor !== ed.cursor, pieces = [];
  let host = null;
  now.words.forEach((shown, i) => {
    const span = spans.find(s => i >= s[0] && i < s[1]);
    if (span && span[0] === i) {
      host = element("span", "span");
      host.setAttribute("role", "presentation");
      host.style.setProperty("--c", ed.colours[span[2]]);
      pieces.push(host);
    }
    const word = element("span", "word" + (i === ed.cursor ? " cursor" : "") + (extended && i >= start && i < end ? " chosen" : ""), shown);
    word.id = `word-${i}`;
    word.dataset.i = i;
    word.setAttribute("role", "option");
    word.setAttribute("aria-selected", String(i >= start && i < end));
    word.setAttribute("aria-label", spoken(now, i, span));
    if (span) host.append(word); else pieces.push(word);
    if (span && span[1] === i + 1) {
      const tag = element("span", "tag", span[2]);
      tag.setAttribute("aria-hidden", "true");
      host.append(tag);
    }
    const gap = now.tight.includes(i) ? "" : " ";
    if (span && i + 1 < span[1]) host.append(gap); else pieces.push(gap);
  });
  text.replaceChildren(...pieces);
  text.dir = now.rtl ? "rtl" : "ltr";
  text.setAttribute("aria-activedescendant", `word-${ed.cursor}`);
  const cursor = text.querySelector(".cursor");
  if (cursor && ed.seen !== cursor.id + now.id) {  // only where it has moved: the page stays where the reader put it
    ed.seen = cursor.id + now.id;
    const box = text.getBoundingClientRect(), at = cursor.getBoundingClientRect();
    if (at.top < box.top || at.bottom > box.bottom) text.scrollTop += at.top - box.top - box.height / 3;
  }
}

function drawSystems(ed) {
  const now = item(ed), { spans } = draft(ed);
  fill(ed.parts.systems, [ed.data.data, now.id, now.words, now.systems, spans], () => now.systems.map(system => {
    const row = element("li", "system"), agrees = same(system.spans, spans);
    row.append(button(system.title, system.key && `A ${system.key}`, `Accept all labels of ${system.title}`,
      () => after(ed, () => accept(ed, system)), "take"));
    const found = element("span", "found");
    for (const span of system.spans) {
      const here = spans.some(s => same(s, span));
      const chip = button(words(now, span), "", here ? "The labels have it so" : "Take this one", () => after(ed, () => {
        ed.anchor = span[0];
        ed.cursor = span[1] - 1;
        label(ed, span[2]);
      }), here ? "chip here" : "chip");
      chip.style.setProperty("--c", ed.colours[span[2]]);
      chip.prepend(element("i", "", here ? "= " : "≠ "));
      chip.append(element("b", "", span[2]));
      found.append(chip);
    }
    const missing = spans.filter(s => !system.spans.some(o => overlap(o, s)));
    if (missing.length) found.append(element("span", "muted", `without ${missing.map(s => describe(ed, s)).join(", ")}`));
    if (!system.spans.length && !missing.length) found.append(element("span", "muted", "no entity"));
    if (agrees) found.prepend(element("span", "same", "= the same"));
    row.append(found);
    return row;
  }));
  ed.parts.systems.hidden = !now.systems.length;
  ed.parts.noSystems.textContent = ed.data.noSystems;
}

function drawPicture(ed) {
  const id = tweetKey(ed, item(ed).id), uri = pictures.get(id), holder = ed.parts.picture;
  if (holder.dataset.id === id && holder.dataset.state === String(uri === undefined)) return;
  Object.assign(holder.dataset, { id, state: String(uri === undefined) });
  holder.className = uri ? "picture" : "picture none muted";
  if (!uri) return holder.replaceChildren(uri === undefined ? "The picture comes …" : item(ed).picture || "No picture");
  const image = element("img");
  image.src = uri;
  image.alt = "The tweet's picture";
  holder.replaceChildren(image);
}

function strip(ed, title, spans) {
  const node = element("div", "side"), text = element("p", "");
  node.append(element("b", "", title));
  text.dir = "auto";
  const now = item(ed);
  for (let i = 0; i < now.words.length; i++) {
    const span = spans.find(s => s[0] === i);
    if (span) {
      const mark = element("span", "span", words(now, span));
      mark.style.setProperty("--c", ed.colours[span[2]]);
      mark.append(element("span", "tag", span[2]));
      text.append(mark, " ");
      i = span[1] - 1;
    } else text.append(now.words[i], now.tight.includes(i) ? "" : " ");
  }
  node.append(text);
  return node;
}

function drawConflict(ed) {
  const found = conflictHere(ed), holder = ed.parts.conflict;
  holder.hidden = !found;
  if (!found) return;
  const { theirs, mine } = found;
  fill(holder, [ed.data.data, item(ed).id, theirs, mine.after], () => {
    const sides = element("div", "sides"), row = element("div", "row");
    sides.append(strip(ed, `${theirs.author} stored`, theirs.spans), strip(ed, "You have", mine.after));
    row.append(
      button("Keep theirs", "", "", () => settle(ed, "theirs")),
      button("Use mine", "", "", () => settle(ed, "mine")),
      button("Join both", "", "Mine, and theirs where they do not overlap", () => settle(ed, "both")),
    );
    return [element("strong", "", theirs.line), sides, row,
      element("span", "muted", "Nothing is overwritten until you choose; after that you can edit on.")];
  });
}

function drawStatus(ed) {
  const { status, line, elsewhere } = ed.parts, waiting = ed.outbox.length, late = Date.now() - ed.sent > LATE;
  const torn = ed.outbox.find(a => ed.conflicts.has(a.nonce) && !inView(ed, a));
  elsewhere.hidden = !torn;
  if (torn) {
    const { line, of } = ed.conflicts.get(torn.nonce), where = torn.data === ed.data.data ? "" : ` of ${of}`;
    fill(elsewhere, [torn.nonce, line, where], () => [`${line} (tweet ${torn.tweet}${where}) `,
      button("Show it", "", "", () => after(ed, () => visit(ed, torn.tweet, torn)))]);
  }
  const says = ed.failure ? `✗ Not stored: ${ed.failure} It stays here and is sent again. `
    : conflictHere(ed) || torn ? "waiting for your choice"
    : waiting ? (late ? "no answer yet: kept in this browser, and sent again" : "saving …")
    : ed.saved ? `saved ✓ event ${ed.saved}` : "";
  const { away, giving } = ed;
  status.className = "status" + (ed.failure ? " failed" : "");
  fill(status, [says, ed.failure, away, giving], () => {
    if (!ed.failure) return [says];
    const again = button("Try now", "", "", () => after(ed, () => send(ed))), what = away.map(told).join("\n");
    const drop = button(giving ? "Give up for good" : "Give up", "", what, () => after(ed, () => giveUp(ed)));
    return away.length ? [says, again, drop] : [says, again];
  });
  line.className = ed.blocked || ed.problem ? "line problem" : "line";
  fill(line, [ed.blocked, ed.line, ed.said], () => {
    if (!ed.blocked) return [ed.line];
    return [ed.blocked.line + " ", button("Leave it, and go on to the step before", "", "", () => after(ed, () => {
      const { kind } = ed.blocked;
      ed.blocked = null;
      step(ed, kind, true);
    }))];
  });
}

function visit(ed, id, { data, track } = ed.data) {
  const here = data === ed.data.data && track === ed.data.track;
  const place = here ? [...ed.items.values()].find(one => one.id === id)?.place : undefined;
  if (place !== undefined) return go(ed, place);
  ed.set("visit", { tweet: id, data, track });
}

function drawHelp(ed) {
  const help = ed.parts.help, was = help.hidden;
  help.hidden = ed.mode !== "help";
  if (help.hidden) return;
  fill(help, ed.data.help, () => {
    const list = element("dl", "keys"), close = button("Close", "Esc", "", () => after(ed, () => { ed.mode = ""; }));
    for (const [keys, what] of ed.data.help) {
      const term = element("dt");
      for (const key of keys) term.append(element("kbd", "", key));
      list.append(term, element("dd", "", what));
    }
    return [element("strong", "", "Keys"), list, close];
  });
  if (was) help.querySelector("button").focus({ preventScroll: true });
}

function drawBar(ed) {
  const { undo, redo, bar } = ed.parts, [start, end] = target(ed), on = draft(ed).spans.find(s => s[0] === start && s[1] === end);
  for (const node of bar.querySelectorAll("[data-type]")) node.setAttribute("aria-pressed", String(node.dataset.type === on?.[2]));
  for (const [node, known] of [[undo, ed.data.undo], [redo, ed.data.redo]]) {
    node.classList.toggle("idle", !known);
    node.title = known ? known.what : "";
  }
}

function draw(ed) {
  const now = item(ed), { parts } = ed;
  parts.head.textContent = ed.data.total ? `Tweet ${(ed.place + 1).toLocaleString("en")} of ${ed.data.total.toLocaleString("en")}` : "";
  const back = now && parts.work.hidden;  // what is hidden loses the focus
  parts.work.hidden = !now;
  parts.loading.hidden = Boolean(now);
  if (now) {
    const mine = draft(ed);
    keep(sessionStorage, PLACE, `${ed.data.queue}\n${now.id}`);
    parts.state.textContent = mine.skipped ? "↷ skipped" : mine.answered === "mine" ? "✓ done by you"
      : mine.answered ? `✓ done by ${mine.by}` : "○ open";
    parts.reason.textContent = now.reason;
    parts.id.textContent = [now.id, now.credit].filter(Boolean).join(" · ");
    ed.cursor = Math.min(ed.cursor, now.words.length - 1);
    ed.anchor = Math.min(ed.anchor, now.words.length - 1);
    drawText(ed);
    drawBar(ed);
    drawSystems(ed);
    drawPicture(ed);
    drawConflict(ed);
    parts.form.hidden = ed.mode !== "comment";
    if (ed.refused) {
      parts.note.value = ed.refused;
      parts.note.focus({ preventScroll: true });
      ed.refused = "";
    }
  }
  drawHelp(ed);
  drawStatus(ed);
  if (back && nowhere()) parts.text.focus({ preventScroll: true });
}

// The link in the sidebar that was followed to come here keeps the focus, and would take the first keys.
const onLinkHere = () => document.activeElement?.closest("a[href]")?.pathname === location.pathname;
// A click beside the words gives the focus to Streamlit's page as a whole.
const nowhere = () => {
  const focus = document.activeElement;
  return !focus || focus === document.body || focus.dataset.testid === "stMain";
};

function after(ed, what) {  // of a button: do it, and back to the words
  what();
  draw(ed);
  if (ed.mode !== "help" && ed.mode !== "comment") ed.parts.text.focus({ preventScroll: true });
}

function build(ed, root) {
  const p = ed.parts, part = (name, tag, className) => p[name] = element(tag, className);
  part("head", "strong", "place"); part("state", "span", "state"); part("reason", "span", "reason muted");
  part("id", "span", "id muted"); part("status", "span", "status"); part("line", "div", "line");
  part("elsewhere", "div", "elsewhere"); part("work", "div", "work"); part("loading", "div", "loading muted");
  part("picture", "div", "picture"); part("text", "div", "text"); part("bar", "div", "bar"); part("systems", "ul", "systems");
  part("noSystems", "div", "muted small"); part("conflict", "div", "conflict"); part("help", "div", "help");
  part("form", "div", "form"); part("note", "textarea", "note");
  p.loading.textContent = "The tweet comes …";
  p.status.setAttribute("role", "status");
  p.line.setAttribute("role", "status");
  p.conflict.setAttribute("role", "alert");
  p.help.setAttribute("role", "dialog");
  p.help.setAttribute("aria-label", "Keys");
  p.systems.setAttribute("aria-label", "What the systems found");
  p.text.tabIndex = 0;
  p.text.setAttribute("role", "listbox");
  p.text.setAttribute("aria-multiselectable", "true");
  p.text.setAttribute("aria-label", "Words of the tweet. Arrow keys move, Shift extends, a type's key labels; question mark for all keys.");
  const head = element("div", "head"), main = element("div", "main"), foot = element("div", "foot");
  head.append(p.head, p.state, p.reason, p.status);
  for (const type of ed.data.types) {
    const node = button(type.name, type.keys[0], `${type.title}: ${type.keys.map(k => k.toUpperCase()).join(" or ")}`,
      () => after(ed, () => label(ed, type.name)), "type");
    node.dataset.type = type.name;
    node.style.setProperty("--c", type.colour);
    p.bar.append(node);
  }
  p.bar.append(button("Remove", "Del", "Takes the entity away", () => after(ed, () => remove(ed))));
  p.undo = button("Undo", "U", "", () => after(ed, () => press(ed, fake("u"))));
  p.redo = button("Redo", "Y", "", () => after(ed, () => press(ed, fake("y"))));
  p.note.rows = 2;
  p.note.maxLength = ed.data.longest;
  p.note.placeholder = "A comment on this tweet, for its history";
  p.note.setAttribute("aria-label", "Comment");
  p.note.oninput = () => ed.notes.set(tweetKey(ed, item(ed).id), p.note.value);
  p.note.onkeydown = event => {
    event.stopPropagation();
    if (event.key === "Escape") { event.preventDefault(); comment(ed, false); }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); saveComment(ed); }
  };
  p.form.append(p.note, button("Save comment", "Enter", "", () => saveComment(ed)), button("Cancel", "Esc", "", () => comment(ed, false)));
  foot.append(
    button("Done, next", "Enter", "The labels are right: on to the next tweet", () => after(ed, () => done(ed)), "primary"),
    button("Skip", "S", "Leave it undecided", () => after(ed, () => skip(ed))),
    button("Previous", "B", "", () => after(ed, () => go(ed, ed.place - 1))),
    button("Next", "N", "Without an answer", () => after(ed, () => go(ed, ed.place + 1))),
    p.undo, p.redo,
    button("Comment", "/", "", () => comment(ed, true)),
    button("Keys", "?", "All keys", () => after(ed, () => { ed.mode = "help"; })),
  );
  main.append(p.bar, p.text, p.line, p.conflict, p.form, foot, p.systems, p.noSystems);
  p.work.append(p.picture, main);
  root.replaceChildren(head, p.elsewhere, p.loading, p.work, p.help);
  p.work.append(p.id);

  const at = event => {
    const node = root.getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest?.("[data-i]");
    return node ? Number(node.dataset.i) : null;
  };
  p.text.onpointerdown = event => {
    const i = at(event);
    if (i === null || event.button) return;
    event.preventDefault();
    p.text.focus({ preventScroll: true });
    moveTo(ed, i, event.shiftKey);
    ed.fresh = false;
    ed.dragging = true;
    draw(ed);
  };
  p.text.onpointermove = event => {
    if (!ed.dragging) return;
    if (!(event.buttons & 1)) { ed.dragging = false; return; }
    const i = at(event);
    if (i !== null && i !== ed.cursor) { moveTo(ed, i, true); draw(ed); }
  };
  p.text.onpointerup = () => { ed.dragging = false; };
  p.text.ondblclick = event => {
    const i = at(event), span = i === null ? null : spanAt(ed, i);
    if (!span) return;
    ed.anchor = span[0];
    ed.cursor = span[1] - 1;
    draw(ed);
  };
  root.onkeydown = event => {
    if (event.isComposing || event.target === p.note) return;
    const onButton = event.target.tagName === "BUTTON";
    if (onButton && ["Enter", " ", "Tab"].includes(event.key)) return event.stopPropagation();
    handle(ed, event);
  };
}
