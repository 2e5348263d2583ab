// A table whose cells may be links into the Errors page. A plain click stays in this session.
function content(cell, follow) {
  const parts = [];
  if (cell.href) {
    const link = element("a", "", cell.text);
    link.href = cell.href;
    link.onclick = event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      follow(cell.link);
    };
    parts.push(link);
  } else parts.push(document.createTextNode(cell.text));
  if (cell.sub) parts.push(element("span", "sub muted", cell.sub));
  return parts;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const follow = link => setTriggerValue("followed", { link });
  const table = element("table"), head = element("thead"), body = element("tbody"), top = element("tr");
  if (data.caption) table.append(element("caption", "muted", data.caption));
  for (const column of data.columns) {
    const cell = element("th", column.words ? "text" : "", column.title);
    cell.scope = "col";
    if (column.help) cell.title = column.help;
    top.append(cell);
  }
  head.append(top);
  for (const row of data.rows) {
    const line = element("tr", (row.quiet ? "quiet" : "") + (row.goes_on ? " goes-on" : ""));
    row.cells.forEach((cell, i) => {
      const words = data.columns[i].words;
      const node = element(i === 0 ? "th" : "td", (words ? "text" : "") + (cell.off ? " off" : "") + (cell.wrap ? " wrap" : ""));
      if (i === 0) node.scope = "row";
      if (cell.title) node.title = cell.title;
      if (cell.shade) node.style.setProperty("--shade", cell.shade);
      node.append(...content(cell, follow));
      line.append(node);
    });
    body.append(line);
  }
  table.append(head, body);
  const scroll = element("div", "scroll");
  scroll.append(table);
  parentElement.querySelector(".root").replaceChildren(scroll);
}
