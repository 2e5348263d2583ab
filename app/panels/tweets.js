// Tweets as cards: gold spans marked in the text, and under it what became of each entity. One click opens one.
const observers = new WeakMap();

function marked(item, colours) {
  const text = element("div", "text");
  text.dir = "auto";
  for (let i = 0; i < item.words.length; i++) {
    if (i) text.append(" ");
    const span = item.gold.find(s => s.start === i);
    if (!span) {
      text.append(item.words[i]);
      continue;
    }
    const mark = element("span", "mark", item.words.slice(i, span.end).join(" "));
    mark.style.setProperty("--c", colours[span.label] || "gray");
    mark.append(element("b", "", span.label));
    text.append(mark);
    i = span.end - 1;
  }
  return text;
}

function line(found) {
  const node = element("div", "line " + found.outcome);
  const readings = found.readings.map(([system, what]) => `${system}: ${what}`).join("  →  ");
  node.append(
    element("span", "badge", `${found.sign} ${found.name}`),
    element("span", "surface", found.surface),
    element("span", "", found.label),
    element("span", "muted", readings),
  );
  return node;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const list = element("ol", "list");
  list.setAttribute("aria-label", "Tweets");
  for (const item of data.items) {
    const row = element("li"), card = element("button", "card"), body = element("div", "body");
    const thumb = element("div", item.thumbnail ? "thumb" : "thumb none muted");
    card.type = "button";
    card.dataset.id = item.id;
    if (item.thumbnail) {
      const image = element("img");
      image.src = item.thumbnail;
      image.alt = "";
      thumb.append(image);
    } else thumb.textContent = item.image;
    body.append(marked(item, data.colours), ...item.lines.map(line));
    if (item.note) body.append(element("div", "line muted", item.note));
    body.append(element("div", "id muted", item.facts));
    card.append(thumb, body);
    card.onclick = () => setTriggerValue("opened", { id: item.id });
    row.append(card);
    list.append(row);
  }
  root.replaceChildren(list);
  observers.get(parentElement)?.disconnect();
  const observer = new ResizeObserver(() => root.classList.toggle("narrow", root.clientWidth < 520));
  observer.observe(root);
  observers.set(parentElement, observer);
  return () => {
    if (root.isConnected) return;  // Streamlit also calls this where new data came while it was starting
    observers.get(parentElement)?.disconnect();
    observers.delete(parentElement);
  };
}
