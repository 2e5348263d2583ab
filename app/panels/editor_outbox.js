// What a person does goes into the outbox; it leaves the outbox when Python says that it is stored. The outbox is kept
// in the browser too, so that a reload, a closed tab or a server that is away loses nothing.
const pictures = new Map();  // data set and tweet → data URI; outlives the editor, not the page
const KEPT_PICTURES = 24, PATIENCE = 1500, RETRY = 4000, LATE = 6000, ORPHANED = 30000;  // all but the first in ms
const OUTBOX = "mner-outbox:", TAB = "mner-tab", PLACE = "mner-place";
const loaded = performance.getEntriesByType("navigation")[0];
// Here: who reloads another page and is led here by a link asks for the link's tweet.
const reloaded = loaded?.type === "reload" && new URL(loaded.name).pathname === location.pathname;
let session = null;  // the last one since the page was loaded

// --- what is kept in the browser ---

function stored(area, name) {
  try { return area.getItem(name); } catch { return null; }
}

function keep(area, name, text) {
  try { if (text) area.setItem(name, text); else area.removeItem(name); } catch { /* a browser that keeps nothing */ }
}

function nonce() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map(b => b.toString(16).padStart(2, "0")).join("");
}

// Every editor has a box of its own: a tab that is duplicated begins with the session storage of the other.
function openBox() {
  const former = OUTBOX + stored(sessionStorage, TAB), name = nonce();
  keep(sessionStorage, TAB, name);
  return { box: OUTBOX + name, outbox: restored(former) };
}

function restored(former) {
  // This tab's, and what tabs left that are gone. The nonce keeps an action that two tabs send from being done twice.
  const found = [];
  try {
    for (const name of Object.keys(localStorage).filter(key => key.startsWith(OUTBOX))) {
      const box = JSON.parse(localStorage.getItem(name));
      if (name !== former && Date.now() - box.at < ORPHANED) continue;
      found.push(...box.actions.filter(a => !found.some(b => b.nonce === a.nonce)));
      localStorage.removeItem(name);
    }
  } catch { /* a browser that keeps nothing, or not ours */ }
  return found;
}

function placeBefore(data) {
  // The tweet in view before a reload, which may have been faster than the address, or before the server was started again.
  const wanted = session === null ? reloaded : session !== data.session;
  session = data.session;
  const [queue, tweet] = (wanted && stored(sessionStorage, PLACE) || "").split("\n");
  return queue === data.queue ? tweet : null;
}

function keepOutbox(ed) {
  const actions = ed.outbox.filter(a => a.after);  // a step is about what was there when the key was pressed
  keep(localStorage, ed.box, actions.length ? JSON.stringify({ at: Date.now(), actions }) : "");
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
  ed.parts.text?.toggleAttribute("data-unheard", true);  // for tests, as is the other
  ed.set("desk", {
    number: ed.number,
    queue: ed.data.queue,
    tweet: item(ed)?.id ?? "",
    place: ed.place,
    pictures: [...pictures.keys()],
    actions: ed.outbox,
  });
}

function giveUp(ed) {  // the person's own word, twice: nothing is dropped otherwise
  if (!ed.giving) return void (ed.giving = true);
  ed.outbox = ed.outbox.filter(a => !ed.away.includes(a));
  say(ed, `Given up, never stored: ${ed.away.map(told).join("; ")}.`);
  Object.assign(ed, { giving: false, failure: "", away: [] });
  keepOutbox(ed);
}

const told = a => `${a.kind === "set" || a.kind === "accept" ? "labels" : a.kind} of tweet ${a.tweet} of ${a.data}`;

const tweetKey = (ed, id) => `${ed.data.data}\n${id}`;  // as Python calls its picture

function act(ed, kind, fields) {
  const now = item(ed), mine = draft(ed);
  ed.outbox.push({
    nonce: nonce(), kind, data: ed.data.data, tweet: now.id, track: ed.data.track, author: ed.data.author,
    before: mine.spans, revision: mine.revision, base: mine.base, ...fields,
  });
  ed.sent = Date.now();
  keepOutbox(ed);
  send(ed);
}

function mayEdit(ed) {  // or says why not
  if (ed.data.readOnly) say(ed, `Nothing can be changed: ${ed.data.readOnly}`, true);
  else if (!ed.data.author) say(ed, "Say in the sidebar who you are: every change is stored with a name.", true);
  else return true;
}

function edit(ed, kind, after, fields = {}) {
  if (!mayEdit(ed)) return;
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
  say(ed, kind === "undo" ? "Undoing …" : "Doing it again …");
}

function take(ed, data) {
  const before = ed.data, id = item(ed)?.id;
  ed.data = data;
  if (data.queue !== before?.queue) ed.drafts.clear();  // the ids of another data set may be the same
  for (const [id, uri] of Object.entries(data.pictures)) {
    const key = tweetKey(ed, id);
    pictures.delete(key);
    pictures.set(key, uri);
    if (uri) new Image().src = uri;  // read now, so that it is there when it is wanted
  }
  for (const key of [...pictures.keys()].slice(0, -KEPT_PICTURES)) pictures.delete(key);
  ed.failure = "";
  ed.away = [];  // of the outbox, what waits for a data set to come back
  for (const action of [...ed.outbox]) answer(ed, action, data.answers[action.nonce]);
  ed.giving &&= ed.away.length > 0;
  keepOutbox(ed);
  ed.items = new Map(data.items.map(one => [one.place, one]));
  if (data.queue !== before?.queue) move(ed, data.place);
  else if (data.desk !== before.desk) stay(ed, id);
  else if (data.jump !== before.jump) move(ed, data.place);
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
  ed.parts.text?.toggleAttribute("data-unheard", data.heard !== ed.number);
  if (ed.more && data.heard === ed.number) send(ed);
}

// The server was started again, or the data set grew: another desk, the same queue. The editor knows better which tweet
// it is at, but not at which place: what is done may have left the queue. Keys for a tweet that never came are for none.
function stay(ed, id) {
  const found = ed.data.items.find(one => one.id === id);
  if (found) return void (ed.place = found.place);
  if (ed.keys.length) forget(ed);
  move(ed, ed.data.place);
  if (id) visit(ed, id);
}

function pending(ed, id, { data, track } = ed.data) {
  return ed.outbox.filter(a => a.tweet === id && a.data === data && a.track === track && a.after);
}

const inView = (ed, a) => a.tweet === item(ed)?.id && a.data === ed.data.data && a.track === ed.data.track;

const unanswered = ed => ed.outbox.some(a => !ed.conflicts.has(a.nonce));

const stepping = ed => ed.outbox.some(a => !a.after);

// What a step waits for. Not for what is another's in this browser, nor for what waits for a choice or a data set.
const unstored = ed => ed.outbox.find(a =>
  a.after && a.author === ed.data.author && !ed.conflicts.has(a.nonce) && !ed.away.includes(a));

function answer(ed, action, said) {
  if (!said) return;
  const drop = () => { ed.outbox = ed.outbox.filter(a => a !== action); ed.conflicts.delete(action.nonce); };
  if (said.event) {
    drop();
    ed.saved = said.event;
    if (said.line) say(ed, said.line);
    for (const later of pending(ed, action.tweet, action)) later.revision = Math.max(later.revision, said.event);
  } else if (said.conflict && action.after) ed.conflicts.set(action.nonce, said.conflict);
  else if (said.conflict) { drop(); ed.blocked = { kind: action.kind, line: said.conflict.line }; }
  else if (said.error && action.after) {
    ed.failure = said.error;
    if (said.away) ed.away.push(action);
  }
  else {
    drop();
    if (said.line || said.error) say(ed, said.line || said.error, true);
    if (action.kind === "comment") putBack(ed, action);
  }
}

function putBack(ed, action) {  // a comment that is refused is not lost
  if (inView(ed, action) && ed.mode !== "comment") {
    ed.notes.set(tweetKey(ed, action.tweet), action.text);
    Object.assign(ed, { mode: "comment", refused: action.text });
  } else ed.line += ` Your comment on tweet ${action.tweet}: ${action.text}`;
}
