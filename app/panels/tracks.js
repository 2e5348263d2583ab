// A tweet as columns: the word on top, one row a tagger below it, wrapped like text. Tweets are shown
// by textContent only. The export runs again on each change of data, so handlers are assigned, not added.
const observers = new WeakMap();

function bar(track, span, i, colours) {
  const cell = element("div", "cell");
  if (!span) return cell;
  const shape = element("div", "bar" + (i === span.start ? " first" : "") + (i === span.end - 1 ? " last" : "")
    + (track.gold ? " gold" : ""));
  shape.style.setProperty("--c", colours[span.label] || "gray");
  const name = element("span", i === span.start ? "name" : "name again");
  if (i > span.start) name.append("… ");  // only shown where the span goes on in a new line
  name.append(element("b", "", span.label));
  if (span.p !== null && i === span.start) name.append(element("span", "p", span.p));
  cell.append(shape, name);
  cell.title = `${track.title}: ${span.label}${span.p === null ? "" : ", probability " + span.p}`;
  return cell;
}

function spoken(data, i) {
  const read = data.tracks.map(track => {
    const span = track.spans.find(s => i >= s.start && i < s.end);
    return `${track.title} ${span ? span.label : "none"}`;
  });
  return `${data.words[i]}; word ${i + 1} of ${data.words.length}; ${read.join(", ")}`;
}

function column(data, i) {
  const node = element("div", "column");
  const word = element("button", "word", data.words[i]);
  word.type = "button";
  word.dataset.i = i;
  word.dir = "auto";
  word.title = data.words[i];
  word.setAttribute("role", "radio");
  word.setAttribute("aria-checked", String(i === data.chosen));
  word.setAttribute("aria-label", spoken(data, i));
  word.tabIndex = i === data.chosen ? 0 : -1;
  node.append(word);
  if (data.shares) {
    word.classList.add("shaded");
    word.style.setProperty("--shade", data.shares[i] / Math.max(...data.shares, 1e-9));
    node.append(element("div", "share", (100 * data.shares[i]).toFixed(1) + " %"));
  }
  for (const track of data.tracks) {
    const span = track.spans.find(s => i >= s.start && i < s.end);
    if (span && span.end - span.start === 1) node.classList.add("short");
    node.append(bar(track, span, i, data.colours));
  }
  if (data.esd.length) {
    const [tag, p] = data.esd[i] || ["", ""];
    const cell = element("div", "esd " + tag);
    cell.append(element("b", "", tag), element("span", "p", p));
    cell.title = tag ? `${data.esdTitle}: ${tag}, probability ${p}` : "not read";
    node.append(cell);
  }
  if (data.differences.length) {
    const found = data.differences.find(d => i >= d.start && i < d.end);
    const cell = element("div", found ? "diff on" : "diff");
    if (found && i === found.start) {
      cell.append(element("span", "", "≠ " + found.kind));
      if (found.end - found.start === 1) node.classList.add("short");
    }
    node.append(cell);
  }
  return node;
}

function labels(data) {
  const node = element("div", "labels");
  node.setAttribute("aria-hidden", "true");  // each word's accessible name says the same
  const row = (text, height, muted) => {
    const line = element("div", muted ? "muted" : "", text);
    line.style.height = line.style.lineHeight = height;
    line.title = text;
    node.append(line);
  };
  row("", "var(--word)");
  if (data.shares) row(data.sharesTitle, "1rem", true);
  for (const track of data.tracks) row(track.title, "var(--track)", track.gold);
  if (data.esd.length) row(data.esdTitle, "var(--esd)", true);
  if (data.differences.length) row("Differences", "var(--diff)", true);
  return node;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const active = parentElement.activeElement ?? document.activeElement;
  const hadFocus = Boolean(active?.classList?.contains("word"));

  const flow = element("div", "flow");
  flow.setAttribute("role", "radiogroup");
  flow.setAttribute("aria-label", "Words of the tweet; arrow keys choose one");
  flow.style.direction = data.rightToLeft ? "rtl" : "ltr";
  data.words.forEach((_, i) => flow.append(column(data, i)));
  root.replaceChildren(flow);

  if (data.sentences.length) {
    const list = element("ul", "list");
    list.setAttribute("aria-label", "Differences between the taggers");
    for (const [words, sentence] of data.sentences) {
      const item = element("li"), line = element("span");
      line.append(element("b", "", words), " — " + sentence);
      item.append(element("span", "", "≠"), line);
      list.append(item);
    }
    root.append(list);
  }
  if (data.more) root.append(element("div", "more muted", data.more));

  function choose(i) {
    const words = [...flow.querySelectorAll(".word")];
    words.forEach((word, k) => {  // shown at once; Python draws the rest
      word.setAttribute("aria-checked", String(k === i));
      word.tabIndex = k === i ? 0 : -1;
    });
    words[i].focus({ preventScroll: true });
    setTriggerValue("word", { doc: data.doc, index: i });  // no state: the same word may be chosen again after another
  }
  flow.onclick = event => {
    const word = event.target.closest(".word");
    if (word) choose(Number(word.dataset.i));
  };
  flow.onkeydown = event => {
    const word = event.target.closest(".word");
    if (!word || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = data.words.length - 1, i = Number(word.dataset.i), ahead = data.rightToLeft ? -1 : 1;
    const goal = { ArrowRight: i + ahead, ArrowLeft: i - ahead, ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: last }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(last, goal)));
  };

  const columns = [...flow.children];
  const lineStarts = () => columns.filter((c, k) => k === 0 || c.offsetTop !== columns[k - 1].offsetTop);

  function balance() {  // lines of about one length, where there are several: no word is left alone in the last
    flow.style.maxWidth = "";
    const count = lineStarts().length;
    if (count === 1) return;
    let narrow = flow.clientWidth / 2, wide = flow.clientWidth;
    while (wide - narrow > 8) {
      const middle = (narrow + wide) / 2;
      flow.style.maxWidth = middle + "px";
      if (lineStarts().length > count) narrow = middle; else wide = middle;
    }
    flow.style.maxWidth = wide + "px";
  }

  let width = -1;
  function layOut() {  // which columns start a line is known only once they are laid out
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    root.classList.toggle("narrow", width < 560);
    balance();
    root.querySelectorAll(".labels").forEach(node => node.remove());
    const starts = lineStarts();
    columns.forEach(c => c.classList.toggle("line-start", starts.includes(c)));
    for (const start of starts) {
      const node = labels(data);
      node.style.top = start.offsetTop + "px";
      root.append(node);
    }
  }
  layOut();
  if (hadFocus) flow.querySelectorAll(".word")[data.chosen]?.focus({ preventScroll: true });
  observers.get(parentElement)?.disconnect();
  const observer = new ResizeObserver(layOut);
  observer.observe(root);
  observers.set(parentElement, observer);
  return () => {
    if (root.isConnected) return;  // Streamlit also calls this where new data came while it was starting
    observers.get(parentElement)?.disconnect();
    observers.delete(parentElement);
  };
}
