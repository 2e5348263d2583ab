// Cards of the sample tweets; one click opens one.
export default function ({ data, parentElement, setTriggerValue }) {
  const cards = element("div", "cards");
  for (const item of data.items) {
    const card = element("button", "card"), thumb = element("div", "thumb muted"), body = element("div", "body");
    card.type = "button";
    card.dataset.id = item.id;
    if (item.id === data.current) card.setAttribute("aria-current", "true");
    if (item.thumbnail) {
      const image = element("img");
      image.src = item.thumbnail;
      image.alt = "";
      thumb.append(image);
    } else thumb.textContent = "no picture";
    const text = element("div", "text", item.text);
    text.dir = "auto";
    body.append(text, element("div", "kinds muted", item.kinds.join(" · ")));
    if (item.credit) body.append(element("div", "credit muted", item.credit));
    card.append(thumb, body);
    card.onclick = () => setTriggerValue("picked", { id: item.id });
    cards.append(card);
  }
  parentElement.querySelector(".root").replaceChildren(cards);
}
