// The span editor. What a person does is drawn at once and goes into the outbox; it leaves the outbox when Python
// says that it is stored. The outbox is kept in the browser too, so that a reload, a closed tab or a server that is
// away loses nothing. Tweets ahead are here already: going on waits for nobody.
const editors = new WeakMap();
const pictures = new Map();  // tweet → data URI; outlives the editor, not the page
const KEPT_PICTURES = 24, PATIENCE = 1500, RETRY = 4000, LATE = 6000, ORPHANED = 30000;  // all but the first in ms
const OUTBOX = "mner-outbox:", AUTHOR = "mner-author", PLACE = "mner-place";
let reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";  // until an editor has made use of it

// --- what is kept in the browser ---

function stored(area, name) {
  try { return area.getItem(name); } catch { return null; }
}

function keep(area, name, text) {
  try { if (text) area.setItem(name, text); else area.removeItem(name); } catch { /* a browser that keeps nothing */ }
}

function tab() {
  let name = stored(sessionStorage, "mner-tab");
  if (!name) keep(sessionStorage, "mner-tab", name = nonce());
  return name;
}

function nonce() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map(b => b.toString(16).padStart(2, "0")).join("");
}

function restored() {
  // This tab's, and what tabs left that are gone. The nonce keeps an action that two tabs send from being done twice.
  const found = [], mine = OUTBOX + tab();
  for (const name of Object.keys(localStorage).filter(key => key.startsWith(OUTBOX))) {
    try {
      const box = JSON.parse(stored(localStorage, name));
      if (name !== mine && Date.now() - box.at < ORPHANED) continue;
      found.push(...box.actions);
    } catch { /* not ours */ }
    keep(localStorage, name, "");
  }
  return found;
}

function placeBefore(data) {  // the tweet in view before a reload, which may have been faster than the address
  const [queue, tweet] = (reloaded && stored(sessionStorage, PLACE) || "").split("\n");
  reloaded = false;
  return queue === data.queue ? tweet : null;
}

function keepOutbox(ed) {
  const actions = ed.outbox.filter(a => a.after);  // a step is about what was there when the key was pressed
  keep(localStorage, OUTBOX + tab(), actions.length ? JSON.stringify({ at: Date.now(), actions }) : "");
}

// --- spans ---

const overlap = (a, b) => a[0] < b[1] && b[0] < a[1];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const sorted = spans => [...spans].sort((a, b) => a[0] - b[0]);
const words = (item, span) => item.words.slice(span[0], span[1]).join(" ");
const item = ed => ed.items.get(ed.place);
const draft = ed => ed.drafts.get(item(ed)?.id);
const spanAt = (ed, i) => draft(ed).spans.find(s => i >= s[0] && i < s[1]);

function selection(ed) {
  return [Math.min(ed.anchor, ed.cursor), Math.max(ed.anchor, ed.cursor) + 1];
}

function target(ed) {  // what a key is about: the selected words, or the entity that the cursor is on
  return ed.anchor === ed.cursor ? spanAt(ed, ed.cursor) ?? selection(ed) : selection(ed);
}

// --- out and in ---

// One message at a time: a second one would stop Streamlit at work on the first, and a fast hand would never get an
// answer. What comes meanwhile goes with the next.
function send(ed) {
  clearTimeout(ed.waiting);
  ed.more = ed.number !== ed.data.heard && Date.now() - ed.asked < PATIENCE;
  if (ed.more) {
    ed.waiting = setTimeout(() => send(ed), PATIENCE);
    return;
  }
  ed.number += 1;
  ed.asked = Date.now();
  ed.set("desk", {
    number: ed.number,
    queue: ed.data.queue,
    tweet: item(ed)?.id ?? "",
    place: ed.place,
    pictures: [...pictures.keys()],
    actions: ed.outbox,
    remembered: ed.remembered,
  });
}

const author = ed => (!ed.data.authorChosen && ed.remembered) || ed.data.author;

function act(ed, kind, fields) {
  const now = item(ed), mine = draft(ed);
  ed.outbox.push({
    nonce: nonce(), kind, data: ed.data.data, tweet: now.id, track: ed.data.track, author: author(ed),
    before: mine.spans, revision: mine.revision, base: mine.base, ...fields,
  });
  ed.sent = Date.now();
  keepOutbox(ed);
  send(ed);
}

function edit(ed, kind, after, fields = {}) {
  if (ed.data.readOnly) return say(ed, `Nothing can be changed: ${ed.data.readOnly}`, true);
  if (!author(ed)) return say(ed, "Say in the sidebar who you are: every change is stored with a name.", true);
  const mine = draft(ed);
  if (fields.base) mine.base = fields.base;
  act(ed, kind, { after, ...fields });
  if (kind !== "comment") Object.assign(mine, { spans: after, answered: "mine", skipped: kind === "skip" });
  return true;
}

function step(ed, kind, keepTheirs = false) {
  const known = ed.data[kind];
  if (ed.data.readOnly) return say(ed, `Nothing can be changed: ${ed.data.readOnly}`, true);
  if (!known) return say(ed, kind === "undo" ? "There is nothing of yours to undo." : "There is nothing to do again.");
  act(ed, kind, { before: [], after: undefined, number: known.number, keep: keepTheirs });
  ed.stepping = true;
  say(ed, kind === "undo" ? "Undoing …" : "Doing it again …");
}

function take(ed, data) {
  const place = { queue: ed.data?.queue, jump: ed.jump };
  ed.data = data;
  for (const [id, uri] of Object.entries(data.pictures)) {
    pictures.delete(id);
    pictures.set(id, uri);
    if (uri) new Image().src = uri;  // read now, so that it is there when it is wanted
  }
  for (const id of [...pictures.keys()].slice(0, -KEPT_PICTURES)) pictures.delete(id);
  ed.failure = "";
  for (const action of [...ed.outbox]) answer(ed, action, data.answers[action.nonce]);
  keepOutbox(ed);
  ed.items = new Map(data.items.map(one => [one.place, one]));
  if (data.queue !== place.queue || data.jump !== place.jump) {
    ed.jump = data.jump;
    move(ed, data.place);
  }
  for (const one of data.items) {
    const waiting = pending(ed, one.id), known = ed.drafts.get(one.id);
    if (waiting.length && known) continue;
    ed.drafts.set(one.id, {
      spans: waiting.at(-1)?.after ?? one.spans, revision: one.revision, base: one.base,
      answered: one.answered, skipped: one.skipped, by: one.by,
    });
  }
  clearTimeout(ed.timer);
  if (ed.failure) ed.timer = setTimeout(() => send(ed), RETRY);
  if (!unanswered(ed)) ed.stepping = false;
  if (ed.more && data.heard === ed.number) send(ed);
}

function pending(ed, id) {
  return ed.outbox.filter(a => a.tweet === id && a.data === ed.data.data && a.track === ed.data.track && a.after);
}

const unanswered = ed => ed.outbox.some(a => !ed.conflicts.has(a.nonce));

function answer(ed, action, said) {
  if (!said) return;
  const drop = () => { ed.outbox = ed.outbox.filter(a => a !== action); ed.conflicts.delete(action.nonce); };
  if (said.event) {
    drop();
    ed.saved = said.event;
    if (said.line) say(ed, said.line);
    for (const later of pending(ed, action.tweet)) later.revision = Math.max(later.revision, said.event);
  } else if (said.conflict && action.after) ed.conflicts.set(action.nonce, said.conflict);
  else if (said.conflict) { drop(); ed.blocked = { kind: action.kind, line: said.conflict.line }; }
  else if (said.error) ed.failure = said.error;
  else { drop(); if (said.line) say(ed, said.line, true); }
}

// --- two people, one tweet ---

function conflictHere(ed) {
  const waiting = pending(ed, item(ed)?.id).filter(a => ed.conflicts.has(a.nonce));
  return waiting.length ? { theirs: ed.conflicts.get(waiting.at(-1).nonce), mine: waiting.at(-1) } : null;
}

function settle(ed, way) {
  const { theirs, mine } = conflictHere(ed), id = item(ed).id;
  const free = theirs.spans.filter(s => !mine.after.some(m => overlap(m, s)));
  const after = way === "mine" ? mine.after : sorted([...mine.after, ...free]);
  ed.outbox = ed.outbox.filter(a => !(a.tweet === id && ed.conflicts.has(a.nonce)));
  Object.assign(draft(ed), { spans: theirs.spans, revision: theirs.revision, answered: "other", by: theirs.author });
  if (way === "theirs") {
    say(ed, `Kept as ${theirs.author} left it.`);
    keepOutbox(ed);
    send(ed);
  } else edit(ed, mine.kind === "accept" ? "set" : mine.kind, after, { text: mine.text });
  draw(ed);
  ed.parts.text.focus({ preventScroll: true });
}

// --- moving ---

function move(ed, place) {
  ed.place = Math.max(0, Math.min(ed.data.total - 1, place));
  ed.cursor = ed.anchor = 0;
  ed.armed = ed.blocked = null;
  ed.mode = "";
}

function go(ed, place) {
  const wanted = Math.max(0, Math.min(ed.data.total - 1, place));
  if (wanted === ed.place) return say(ed, place < 0 ? "This is the first tweet of the queue." : "That was the last tweet of this queue.");
  say(ed, "");
  move(ed, wanted);
  send(ed);
}

function moveTo(ed, i, extend) {
  ed.cursor = Math.max(0, Math.min(item(ed).words.length - 1, i));
  if (!extend) ed.anchor = ed.cursor;
  ed.armed = null;
}

function entity(ed, ahead) {  // the next entity after the cursor, or the one before it
  const spans = draft(ed).spans, [start, end] = target(ed);
  const on = ed.fresh ? null : spanAt(ed, ed.cursor);
  const found = ahead ? spans.find(s => on ? s[0] >= end : s[0] >= start) : spans.findLast(s => s[1] <= start);
  if (found) moveTo(ed, found[0], false);
  return Boolean(found);
}

// --- doing ---

function say(ed, line, problem = false) {
  ed.line = line;
  ed.problem = problem;
}

function describe(ed, span) {
  return `“${words(item(ed), span)}” (${span[2]})`;
}

function refuse(ed, found, how) {
  say(ed, `${found.map(s => describe(ed, s)).join(" and ")} ${found.length > 1 ? "are" : "is"} in the way: entities never overlap. ${how}`, true);
}

function label(ed, name) {
  const mine = draft(ed), [start, end] = target(ed), wanted = [start, end, name];
  const touched = mine.spans.filter(s => overlap(s, wanted));
  const exact = touched.length === 1 && touched[0][0] === start && touched[0][1] === end;
  if (exact && touched[0][2] === name) return say(ed, `“${words(item(ed), wanted)}” is ${name} already.`);
  if (touched.length && !exact && !same(ed.armed, wanted)) {
    ed.armed = wanted;
    return refuse(ed, touched, `The same key again replaces ${touched.length > 1 ? "them" : "it"}.`);
  }
  ed.armed = null;
  if (edit(ed, "set", sorted([...mine.spans.filter(s => !touched.includes(s)), wanted]))) say(ed, "");
}

function remove(ed) {
  const mine = draft(ed), at = target(ed), gone = mine.spans.filter(s => overlap(s, at));
  if (!gone.length) return say(ed, "There is no entity here to remove.");
  if (edit(ed, "set", mine.spans.filter(s => !gone.includes(s)))) say(ed, `Removed ${gone.map(s => describe(ed, s)).join(", ")}.`);
}

function boundary(ed, side, by) {
  const mine = draft(ed), span = spanAt(ed, ed.cursor);
  if (!span) return say(ed, "The cursor is on no entity: there is no boundary to move.");
  const moved = [...span];
  moved[side] += by;
  if (moved[0] >= moved[1]) return say(ed, "An entity has at least one word. Delete removes it.", true);
  if (moved[0] < 0 || moved[1] > item(ed).words.length) return say(ed, "The tweet ends here.");
  const others = mine.spans.filter(s => s !== span), touched = others.filter(s => overlap(s, moved));
  if (touched.length) return refuse(ed, touched, "Remove or shorten that one first.");
  if (!edit(ed, "set", sorted([...others, moved]))) return;
  if (ed.cursor < moved[0] || ed.cursor >= moved[1]) moveTo(ed, Math.max(moved[0], Math.min(moved[1] - 1, ed.cursor)), false);
  say(ed, "");
}

function accept(ed, system) {
  ed.mode = "";
  if (!system) return say(ed, "There is no system of that number.", true);
  if (same(system.spans, draft(ed).spans)) return say(ed, `The labels are already those of ${system.title}.`);
  if (edit(ed, "accept", system.spans, { base: system.name })) say(ed, `Took all labels of ${system.title}.`);
}

function startAccept(ed) {
  const systems = item(ed).systems;
  if (!systems.length) return say(ed, "There are no predictions of this tweet to accept.");
  ed.mode = "accept";
  say(ed, `Whose labels? ${systems.map(s => `${s.key} ${s.title}`).join(", ")}; Esc for none.`);
}

function done(ed) {
  const mine = draft(ed);
  if ((mine.answered === "mine" && !mine.skipped) || edit(ed, "set", mine.spans)) go(ed, ed.place + 1);
}

function skip(ed) {
  if (edit(ed, "skip", draft(ed).spans)) go(ed, ed.place + 1);
}

function comment(ed, open) {
  ed.mode = open ? "comment" : "";
  draw(ed);
  (open ? ed.parts.note : ed.parts.text).focus({ preventScroll: true });
}

function saveComment(ed) {
  const text = ed.parts.note.value.trim();
  if (text && !edit(ed, "comment", draft(ed).spans, { text })) return draw(ed);
  ed.parts.note.value = "";
  if (text) say(ed, "The comment is in the tweet's history.");
  comment(ed, false);
}

// --- keys ---

function keyOf(event) {
  // By its place on the keyboard where the letters are not Latin.
  if (event.key.length === 1 && event.key > "~" && event.code.startsWith("Key")) return event.code[3].toLowerCase();
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

function press(ed, event) {  // whether the key was ours
  const key = keyOf(event), control = event.ctrlKey || event.metaKey;
  if (ed.mode === "help") {
    if (["Escape", "?", "Enter"].includes(key)) { ed.mode = ""; draw(ed); ed.parts.text.focus({ preventScroll: true }); }
    return !control;
  }
  if (control && key !== "z" && key !== "y") return false;
  const steps = (control && (key === "z" || key === "y")) || (!control && !event.altKey && (key === "u" || key === "y"));
  if (steps || ed.stepping || !item(ed)) {
    if (event.key === "Shift" || event.key === "Control" || event.key === "Tab") return false;
    ed.keys.push(event);  // done in their order when what was done before is stored
    replay(ed);
    return true;
  }
  if (event.altKey && !(event.shiftKey && key.startsWith("Arrow"))) return false;
  const found = plain(ed, event, key);
  if (found) ed.fresh = false;
  return found;
}

function replay(ed) {
  while (ed.keys.length && !ed.stepping && item(ed)) {
    const event = ed.keys[0], key = keyOf(event), control = event.ctrlKey || event.metaKey;
    const undo = (control && key === "z" && !event.shiftKey) || (!control && key === "u");
    const redo = (control && (key === "y" || (key === "z" && event.shiftKey))) || (!control && key === "y");
    if ((undo || redo) && unanswered(ed)) return;
    ed.keys.shift();
    if (undo || redo) step(ed, undo ? "undo" : "redo");
    else plain(ed, event, key);
  }
}

function plain(ed, event, key) {
  const now = item(ed), ahead = now.rtl ? -1 : 1, type = ed.data.types.find(t => t.keys.includes(key));
  const digit = event.code.startsWith("Digit") ? event.code.slice(5) : "";
  if (ed.mode === "accept") {
    if (key === "Escape") { ed.mode = ""; say(ed, ""); return true; }
    if (/^\d$/.test(key)) { accept(ed, now.systems.find(s => s.key === key)); return true; }
    ed.mode = "";
  }
  if (conflictHere(ed) && (type || ["Delete", "Backspace", "0", "a", "s", "[", "]", "{", "}"].includes(key))) {
    say(ed, "First choose below whose labels hold.", true);
  } else if (event.shiftKey && digit && now.systems.some(s => s.key === digit)) accept(ed, now.systems.find(s => s.key === digit));
  else if (event.altKey) boundary(ed, 1, key === "ArrowRight" ? ahead : -ahead);
  else if (key === "ArrowRight" || key === "ArrowLeft") moveTo(ed, ed.cursor + (key === "ArrowRight" ? ahead : -ahead), event.shiftKey);
  else if (key === "Home" || key === "End") moveTo(ed, key === "Home" ? 0 : now.words.length - 1, event.shiftKey);
  else if (key === "Tab") return entity(ed, !event.shiftKey);
  else if (type && !event.shiftKey) label(ed, type.name);
  else if (["Delete", "Backspace", "0"].includes(key)) remove(ed);
  else if (key === "[") boundary(ed, 0, -1);
  else if (key === "{") boundary(ed, 0, 1);
  else if (key === "]") boundary(ed, 1, 1);
  else if (key === "}") boundary(ed, 1, -1);
  else if (key === "Escape") { ed.anchor = ed.cursor; ed.armed = ed.blocked = null; say(ed, ""); }
  else if (key === "a") startAccept(ed);
  else if (key === "Enter") done(ed);
  else if (key === "n" || key === "ArrowDown") go(ed, ed.place + 1);
  else if (key === "b" || key === "ArrowUp") go(ed, ed.place - 1);
  else if (key === "s") skip(ed);
  else if (key === "/") comment(ed, true);
  else if (key === "?") ed.mode = "help";
  else return key.length === 1 && /[a-z0-9 ]/.test(key);  // kept from the page: R and C are Streamlit's
  return true;
}

// --- drawing ---

function button(text, key, title, onclick, className = "") {
  const node = element("button", className, text);
  node.type = "button";
  if (key) { const hint = element("kbd", "", key); hint.setAttribute("aria-hidden", "true"); node.append(hint); }
  if (title) node.title = title;
  node.onclick = onclick;
  return node;
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
  const now = item(ed), { spans } = draft(ed), rows = now.systems.map(system => {
    const row = element("li", "system"), agrees = same(system.spans, spans);
    row.append(button(system.title, `A ${system.key}`, `Accept all labels of ${system.title}`,
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
    if (agrees) row.append(element("span", "same", "= the same"));
    row.append(found);
    return row;
  });
  ed.parts.systems.replaceChildren(...rows);
  ed.parts.systems.hidden = !rows.length;
  ed.parts.noSystems.textContent = rows.length ? "" : ed.data.noSystems;
}

function drawPicture(ed) {
  const id = item(ed).id, uri = pictures.get(id), holder = ed.parts.picture;
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
  const { theirs, mine } = found, sides = element("div", "sides"), row = element("div", "row");
  sides.append(strip(ed, `${theirs.author} stored`, theirs.spans), strip(ed, "You have", mine.after));
  row.append(
    button("Keep theirs", "", "", () => settle(ed, "theirs")),
    button("Use mine", "", "", () => settle(ed, "mine")),
    button("Join both", "", "Mine, and theirs where they do not overlap", () => settle(ed, "both")),
  );
  holder.replaceChildren(element("strong", "", theirs.line), sides, row,
    element("span", "muted", "Nothing is overwritten until you choose; after that you can edit on."));
}

function drawStatus(ed) {
  const { status, line, elsewhere } = ed.parts, waiting = ed.outbox.length, late = Date.now() - ed.sent > LATE;
  const torn = ed.outbox.find(a => ed.conflicts.has(a.nonce) && a.tweet !== item(ed)?.id);
  elsewhere.hidden = !torn;
  if (torn) elsewhere.replaceChildren(`${ed.conflicts.get(torn.nonce).line} (tweet ${torn.tweet}) `,
    button("Show it", "", "", () => after(ed, () => visit(ed, torn.tweet))));
  status.className = "status" + (ed.failure ? " failed" : "");
  if (ed.failure) status.replaceChildren(`✗ Not stored: ${ed.failure} It stays here and is sent again. `,
    button("Try now", "", "", () => after(ed, () => send(ed))));
  else if (conflictHere(ed) || torn) status.textContent = "waiting for your choice";
  else if (waiting) status.textContent = late ? "no answer yet: kept in this browser, and sent again" : "saving …";
  else status.textContent = ed.saved ? `saved ✓ event ${ed.saved}` : "";
  line.textContent = ed.blocked ? "" : ed.line;
  line.className = ed.problem ? "line problem" : "line";
  if (ed.blocked) {
    line.className = "line problem";
    line.append(ed.blocked.line + " ", button("Leave it, and go on to the step before", "", "", () => after(ed, () => {
      const kind = ed.blocked.kind;
      ed.blocked = null;
      step(ed, kind, true);
    })));
  }
}

function visit(ed, id) {
  const place = [...ed.items.values()].find(one => one.id === id)?.place;
  if (place !== undefined) return go(ed, place);
  ed.set("visit", { tweet: id, queue: ed.data.queue });
}

function drawHelp(ed) {
  const help = ed.parts.help;
  help.hidden = ed.mode !== "help";
  if (help.hidden) return;
  const list = element("dl", "keys"), close = button("Close", "Esc", "", () => after(ed, () => { ed.mode = ""; }));
  for (const [keys, what] of ed.data.help) {
    const term = element("dt");
    for (const key of keys) term.append(element("kbd", "", key));
    list.append(term, element("dd", "", what));
  }
  help.replaceChildren(element("strong", "", "Keys"), list, close);
  close.focus({ preventScroll: true });
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
    parts.id.textContent = now.id;
    ed.cursor = Math.min(ed.cursor, now.words.length - 1);
    ed.anchor = Math.min(ed.anchor, now.words.length - 1);
    drawText(ed);
    drawBar(ed);
    drawSystems(ed);
    drawPicture(ed);
    drawConflict(ed);
    parts.form.hidden = ed.mode !== "comment";
  }
  drawHelp(ed);
  drawStatus(ed);
  if (back && nowhere()) parts.text.focus({ preventScroll: true });
}

const nowhere = () => !document.activeElement || document.activeElement === document.body;

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
  p.note.placeholder = "A comment on this tweet, for its history";
  p.note.setAttribute("aria-label", "Comment");
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
  main.append(p.bar, p.text, p.line, p.form, p.conflict, p.systems, p.noSystems, foot);
  p.work.append(p.picture, main);
  p.picture.after(main);
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

function fake(key) {
  return { key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
}

function handle(ed, event) {
  if (!press(ed, event)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (ed.mode !== "comment") draw(ed);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  let ed = editors.get(parentElement);
  const first = !ed;
  if (first) {
    ed = { data: null, place: 0, jump: null, items: new Map(), drafts: new Map(), outbox: restored(), conflicts: new Map(),
           cursor: 0, anchor: 0, keys: [], mode: "", line: "", failure: "", number: data.heard, more: false, asked: 0, sent: 0, saved: 0, parts: {}, fresh: true };
    editors.set(parentElement, ed);
    ed.remembered = stored(localStorage, AUTHOR) ?? "";
    // Keys count wherever the focus is nowhere: after a click beside the words, or when the page has just come.
    ed.onKey = event => {
      if (event.isComposing || !nowhere() || event.key === "Tab") return;
      ed.parts.text.focus({ preventScroll: true });
      handle(ed, event);
    };
    window.addEventListener("keydown", ed.onKey, true);
    ed.clock = setInterval(() => { if (ed.outbox.length) drawStatus(ed); }, 1000);
  }
  ed.set = (name, value) => (name === "visit" ? setTriggerValue : setStateValue)(name, value);
  ed.colours = Object.fromEntries(data.types.map(t => [t.name, t.colour]));
  if (data.author && data.authorChosen) keep(localStorage, AUTHOR, data.author);
  take(ed, data);
  if (first) {
    build(ed, root);
    new ResizeObserver(() => root.classList.toggle("narrow", root.clientWidth < 760)).observe(root);
  }
  if (first) {
    const before = placeBefore(data);
    if (before && before !== item(ed)?.id) visit(ed, before);
  }
  replay(ed);
  draw(ed);
  if (first) {
    if (ed.outbox.length || (ed.remembered && ed.remembered !== data.author && !data.authorChosen)) send(ed);
    if (nowhere()) ed.parts.text.focus({ preventScroll: true });
  }
  return () => {
    if (root.isConnected) return;  // Streamlit also calls this where new data came while it was starting
    window.removeEventListener("keydown", ed.onKey, true);
    clearInterval(ed.clock);
    clearTimeout(ed.timer);
    editors.delete(parentElement);
  };
}
