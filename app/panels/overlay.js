// The picture with its 7 x 7 blocks over it, each a button coloured by its weight.
const SIZE = 7;
// From clear to dark red to yellow: lightness rises with the weight, so that it reads without hue too.
const STOPS = [[20, 12, 40, .5], [130, 20, 60, .55], [225, 90, 10, .56], [255, 225, 90, .6]];

function heat(t) {
  const x = Math.min(Math.max(t, 0), 1) * (STOPS.length - 1), k = Math.min(Math.floor(x), STOPS.length - 2);
  const mix = STOPS[k].map((a, j) => a + (STOPS[k + 1][j] - a) * (x - k));
  return `rgba(${mix.slice(0, 3).map(Math.round).join()},${mix[3].toFixed(3)})`;
}

// Values with a sign: the stronger the fuller, for and against told apart by hue and by their sign on the block.
const FOR = [225, 90, 10], AGAINST = [20, 110, 215];

function tint(t) {
  const share = Math.min(Math.abs(t), 1);
  return `rgba(${(t < 0 ? AGAINST : FOR).join()},${(share < .02 ? 0 : .12 + .68 * share).toFixed(3)})`;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const active = parentElement.activeElement ?? document.activeElement;
  const focused = active?.dataset?.block;
  const even = data.even;
  // At least twice an even share: an even map is to look even, and not hot all over.
  const most = data.signed ? Math.max(...data.weights.map(Math.abs), data.floor)
                           : Math.max(...data.weights, 2 * (even ?? 0), 1e-9);
  const colour = data.signed ? tint : heat;
  const sign = t => Math.abs(t) < .25 ? "" : t < 0 ? "−" : "+";
  const say = i => `row ${Math.floor(i / SIZE) + 1}, column ${i % SIZE + 1}: ${data.signed && data.weights[i] > 0 ? "+" : ""}${data.weights[i].toFixed(4)}`
    + (even ? ` (${(data.weights[i] / even).toFixed(2)} × an even share)` : "");

  root.style.setProperty("--ratio", data.ratio);
  const picture = element("div", data.image ? "picture" : "picture none");
  if (data.image) {
    const image = element("img");
    image.src = data.image;
    image.alt = "The tweet's picture";
    picture.append(image);
  }
  const grid = element("div", "grid"), readout = element("div", "readout muted");
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", `${data.title}: 49 blocks; arrow keys move, Enter chooses a block`);
  readout.setAttribute("aria-live", "polite");
  const rest = () => { readout.textContent = data.chosen === null ? data.hint : "Block " + say(data.chosen); };
  for (let i = 0; i < SIZE * SIZE; i++) {
    const block = element("button");
    block.type = "button";
    block.dataset.block = i;
    block.tabIndex = i === (data.chosen ?? 0) ? 0 : -1;
    block.setAttribute("aria-pressed", String(i === data.chosen));
    block.setAttribute("aria-label", say(i));
    block.style.setProperty("--heat", data.image ? colour(data.weights[i] / most) : "transparent");
    if (data.signed && data.image) block.textContent = sign(data.weights[i] / most);
    block.onmouseenter = block.onfocus = () => { readout.textContent = "Block " + say(i); };
    block.onmouseleave = block.onblur = rest;
    block.onclick = () => setTriggerValue("block", { doc: data.doc, index: i === data.chosen ? null : i });
    grid.append(block);
  }
  grid.onkeydown = event => {
    const i = Number(event.target.dataset.block), column = i % SIZE;
    const goal = { ArrowRight: column < SIZE - 1 ? i + 1 : i, ArrowLeft: column > 0 ? i - 1 : i,
                   ArrowDown: i + SIZE, ArrowUp: i - SIZE }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    if (goal < 0 || goal >= SIZE * SIZE) return;
    event.target.tabIndex = -1;
    grid.children[goal].tabIndex = 0;
    grid.children[goal].focus();
  };
  picture.append(grid);
  if (!data.image) {
    const note = element("div", "none-text");
    note.append(element("span", "", "No picture: 49 zero blocks"));
    picture.append(note);
  }

  const scale = element("div", "scale"), ramp = element("div", "ramp");
  const stops = (data.signed ? [-1, -.5, 0, .5, 1] : [0, .25, .5, .75, 1]).map(colour).join();
  ramp.style.backgroundImage = `linear-gradient(to right, ${stops})`;
  if (even) {
    const tick = element("i");
    tick.style.left = 100 * even / most + "%";
    tick.title = `an even share, ${even.toFixed(4)}`;
    ramp.append(tick);
  }
  const ends = data.signed ? ["−" + most.toFixed(3), "+" + most.toFixed(3)] : ["0", most.toFixed(3)];
  scale.append(element("span", "", ends[0]), ramp, element("span", "", ends[1]));
  rest();
  root.replaceChildren(picture, ...(data.image ? [scale] : []), readout);
  if (focused !== undefined) grid.children[Number(focused)]?.focus({ preventScroll: true });
}
