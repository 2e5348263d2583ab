// The span editor. What a person does is drawn at once and stored by Python after that. Tweets ahead are here already:
// going on waits for nobody.
const editors = new WeakMap();

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

// --- two people, one tweet ---

function conflictHere(ed) {
  // What came after the action that met theirs and has no answer yet will meet theirs too: one choice is for all of it.
  // Not for what somebody else did in this browser, which waits until they are signed in again.
  const waiting = pending(ed, item(ed)?.id).filter(a => a.author === ed.data.author || ed.conflicts.has(a.nonce));
  const last = waiting.findLast(a => ed.conflicts.has(a.nonce));
  const mine = waiting.findLast(a => a.kind === "set" || a.kind === "accept") ?? last;
  return last ? { theirs: ed.conflicts.get(last.nonce), mine, waiting } : null;
}

function settle(ed, way) {
  if (!mayEdit(ed)) return draw(ed);
  const { theirs, mine, waiting } = conflictHere(ed);
  const free = theirs.spans.filter(s => !mine.after.some(m => overlap(m, s)));
  const after = way === "mine" ? mine.after : sorted([...mine.after, ...free]);
  const skipped = way !== "theirs" && waiting.findLast(a => a.kind !== "comment")?.kind === "skip";
  ed.outbox = ed.outbox.filter(a => !waiting.includes(a));
  Object.assign(draft(ed), { spans: theirs.spans, revision: theirs.revision, answered: "other", by: theirs.author });
  if (way === "theirs") {
    say(ed, `Kept as ${theirs.author} left it.`);
    keepOutbox(ed);
    send(ed);
  } else edit(ed, "set", after, { base: mine.base });
  for (const { text } of waiting.filter(a => a.kind === "comment")) edit(ed, "comment", draft(ed).spans, { text });
  if (skipped) edit(ed, "skip", draft(ed).spans);
  draw(ed);
  ed.parts.text.focus({ preventScroll: true });
}

// --- moving ---

function move(ed, place) {
  ed.place = Math.max(0, Math.min(ed.data.total - 1, place));
  ed.cursor = ed.anchor = 0;
  ed.armed = ed.blocked = null;
  ed.mode = "";
  ed.fresh = true;
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
  ed.said = (ed.said ?? 0) + 1;  // what is said twice is read out twice
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
  say(ed, `Whose labels? ${systems.filter(s => s.key).map(s => `${s.key} ${s.title}`).join(", ")}; Esc for none.`);
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
  if (open) ed.parts.note.value = ed.notes.get(tweetKey(ed, item(ed).id)) ?? "";  // of this tweet, and not saved
  draw(ed);
  (open ? ed.parts.note : ed.parts.text).focus({ preventScroll: true });
}

function saveComment(ed) {
  const text = ed.parts.note.value.trim();
  if (text && !edit(ed, "comment", draft(ed).spans, { text })) return draw(ed);
  ed.notes.delete(tweetKey(ed, item(ed).id));
  if (text) say(ed, "The comment is in the tweet's history.");
  comment(ed, false);
}

// --- keys ---

function keyOf(event) {
  // By its place on the keyboard where the letters are not Latin.
  if (event.key.length === 1 && event.key > "~" && event.code.startsWith("Key")) return event.code[3].toLowerCase();
  // And where a digit wants Shift.
  if (/^Digit[0-4]$/.test(event.code) && !event.shiftKey && /^[^0-9a-z]$/i.test(event.key)) return event.code[5];
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

function stepOf(event) {  // undo, redo, or nothing of the kind
  const key = keyOf(event), typed = event.getModifierState?.("AltGraph");
  if (!typed && (event.ctrlKey || event.metaKey)) return key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : "";
  return event.altKey ? "" : { u: "undo", y: "redo" }[key] ?? "";
}

function press(ed, event) {  // whether the key was ours
  const typed = event.getModifierState?.("AltGraph");  // brackets are typed so on many keyboards
  const key = keyOf(event), control = !typed && (event.ctrlKey || event.metaKey);
  if (ed.mode === "help") {
    if (["Escape", "?", "Enter"].includes(key)) { ed.mode = ""; draw(ed); ed.parts.text.focus({ preventScroll: true }); }
    return !control;
  }
  if (control && key !== "z" && key !== "y") return false;
  if (key === "Escape" && ed.keys.length) {
    forget(ed);
    return true;
  }
  if (stepOf(event) || ed.keys.length || stepping(ed) || !item(ed)) {
    if (event.key === "Shift" || event.key === "Control" || event.key === "Tab") return false;
    // Done in their order when what was done before is stored. Of steps that cannot be taken yet one is enough: nobody
    // sees what a second one would be of.
    if (!(stepOf(event) && unstored(ed) && ed.keys.some(stepOf))) ed.keys.push(event);
    replay(ed);
    return true;
  }
  if (event.altKey && !typed && !(event.shiftKey && key.startsWith("Arrow"))) return false;
  const found = plain(ed, event, key);
  if (found) ed.fresh = false;
  return found;
}

function replay(ed) {
  while (ed.keys.length && !stepping(ed) && item(ed)) {
    const kind = stepOf(ed.keys[0]), before = kind && unstored(ed);
    if (before) {
      const line = `${kind === "undo" ? "Undo" : "Redo"} waits until what you did to tweet ${before.tweet} is stored; Esc lets it be.`;
      if (ed.line !== line) say(ed, line);
      return;
    }
    const event = ed.keys.shift();
    if (kind) step(ed, kind);
    else plain(ed, event, keyOf(event));
  }
}

function forget(ed) {  // the keys that wait
  ed.keys = [];
  say(ed, "");
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
  else if (event.altKey && key.startsWith("Arrow")) boundary(ed, 1, key === "ArrowRight" ? ahead : -ahead);
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

// --- the component ---

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
    ed = { data: null, place: 0, items: new Map(), drafts: new Map(), notes: new Map(), ...openBox(), conflicts: new Map(),
           cursor: 0, anchor: 0, keys: [], mode: "", line: "", failure: "", away: [], giving: false, refused: "", number: data.heard, more: false, asked: 0, sent: 0, saved: 0, parts: {}, fresh: true };
    editors.set(parentElement, ed);
    // Keys count wherever the focus is nowhere: after a click beside the words, or when the page has just come.
    ed.onKey = event => {
      if (event.isComposing || !nowhere() || event.key === "Tab") return;
      ed.parts.text.focus({ preventScroll: true });
      handle(ed, event);
    };
    window.addEventListener("keydown", ed.onKey, true);
    ed.clock = setInterval(() => {
      if (unanswered(ed) && Date.now() - ed.asked > LATE) send(ed);  // the last one may have met no server
      if (ed.outbox.length) drawStatus(ed);
    }, 1000);
  }
  ed.set = (name, value) => (name === "visit" ? setTriggerValue : setStateValue)(name, value);
  ed.colours = Object.fromEntries(data.types.map(t => [t.name, t.colour]));
  // A cookie, as Python must know the name before there is an editor.
  if (data.authorChosen) document.cookie = `mner_author=${encodeURIComponent(data.author)}; path=/; max-age=31536000; samesite=lax`;
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
    if (ed.outbox.length) send(ed);
    if (nowhere() || onLinkHere()) ed.parts.text.focus({ preventScroll: true });
  }
  return () => {
    if (root.isConnected) return;  // Streamlit also calls this where new data came while it was starting
    window.removeEventListener("keydown", ed.onKey, true);
    clearInterval(ed.clock);
    clearTimeout(ed.timer);
    editors.delete(parentElement);
  };
}
