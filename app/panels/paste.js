// Takes a picture from the clipboard, wherever on the page it is pasted.
const handlers = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const line = element("div", "line muted", "or paste one: ");
  line.append(element("kbd", "", /Mac|iP/.test(navigator.platform) ? "⌘ V" : "Ctrl V"));
  const problem = element("div", "line problem");
  problem.setAttribute("role", "status");
  root.replaceChildren(line, problem);

  document.removeEventListener("paste", handlers.get(parentElement));
  const onPaste = event => {
    const file = [...(event.clipboardData?.files ?? [])].find(f => f.type.startsWith("image/"));
    if (!file) return;  // text goes where it was pasted
    event.preventDefault();
    if (file.size > data.limit) {
      problem.textContent = `wanted a picture of at most ${data.limit.toLocaleString("en")} bytes, got ${file.size.toLocaleString("en")}`;
      return;
    }
    const reader = new FileReader();
    reader.onload = () => setTriggerValue("pasted", { data: reader.result.split(",")[1] ?? "" });
    reader.readAsDataURL(file);
  };
  handlers.set(parentElement, onPaste);
  document.addEventListener("paste", onPaste);
  return () => {
    if (root.isConnected) return;  // Streamlit also calls this where new data came while it was starting
    document.removeEventListener("paste", handlers.get(parentElement));
    handlers.delete(parentElement);
  };
}
