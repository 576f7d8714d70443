const make = (name, inside, text = "", kind = "") => {
  const element = document.createElement(name);
  element.textContent = text;
  if (kind) element.className = kind;
  inside.append(element);
  return element;
};
const put = (node, text) => { if (node.data !== text) node.data = text; };
const nodeOf = (element) => element.appendChild(document.createTextNode(""));

const COLOURS = { good: "var(--good)", bad: "var(--bad)" };
const tone = (change, box, name) => {  // a colour only where a test supports it; a collapsed model is faded
  change.style.color = COLOURS[name] ?? "inherit";
  box.style.opacity = name === "faded" ? 0.8 : "";
};

const ends = new WeakMap();  // by element: what ends the last call, which Streamlit itself does only when the element goes

/** Build the cards once; the function that fills them for a stop. */
function build(root, { cards, studies }) {
  root.replaceChildren();
  const fillers = [];
  for (const card of cards) {
    const box = make("section", root);
    const title = make("abbr", make("div", box, "", "title"), card.title);
    title.title = card.help;
    for (const study of studies) {
      const texts = study.texts[card.name];
      if (studies.length === 1) {
        const value = nodeOf(make("div", box, "", "first")), change = make("span", box, "", "delta"), delta = nodeOf(change);
        const note = nodeOf(make("div", box, "", "note"));
        fillers.push((stop) => {
          put(value, texts[stop][0]);
          put(delta, texts[stop][1]);
          put(note, texts[stop][3]);
          tone(change, box, texts[stop][2]);
        });
      } else {
        const row = make("div", box, "", "row");
        const key = drawn("svg", row, { viewBox: "-1.4 -1.4 2.8 2.8", role: "img", "aria-label": study.name });
        drawn("path", key, { d: SHAPES[study.symbol], fill: study.colour });
        drawn("title", key, {}).textContent = study.name;
        const value = nodeOf(make("span", row)), change = make("span", row, "", "delta"), delta = nodeOf(change);
        row.title = study.name;
        fillers.push((stop) => {
          put(value, texts[stop][0]);
          put(delta, texts[stop][1].replace(" vs dense", ""));
          tone(change, row, texts[stop][2]);
        });
      }
    }
  }
  return (stop) => { for (const fill of fillers) fill(stop); };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".cards");
  ends.get(root)?.();
  const dark = matchMedia && getComputedStyle(root).colorScheme === "dark" || isDark(root);
  root.style.setProperty("--good", dark ? "#45C49C" : "#14704F");
  root.style.setProperty("--bad", dark ? "#FF9B8E" : "#B3261E");
  const fill = build(root, data);
  let frame = null, stop = -1;
  const show = () => {
    frame = null;
    const percent = window.prunescope ? window.prunescope.percent : data.start, off = (value) => Math.abs(value - percent);
    stop = data.stops.reduce((best, value, index) => off(value) < off(data.stops[best]) ? index : best, 0);
    fill(stop);
  };
  const later = () => { frame ??= requestAnimationFrame(show); };
  window.addEventListener("prunescope-cursor", later);
  show();
  const end = () => {
    window.removeEventListener("prunescope-cursor", later);
    cancelAnimationFrame(frame);
  };
  ends.set(root, end);
  return end;
}

function isDark(element) {
  const parts = (getComputedStyle(element).getPropertyValue("--st-background-color").match(/[\da-f]{2}/gi) ?? []).map((part) => parseInt(part, 16));
  return parts.length >= 3 && parts[0] + parts[1] + parts[2] < 384;
}
