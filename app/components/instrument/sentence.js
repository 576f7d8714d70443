const ends = new WeakMap();  // by element: what ends the last call, which Streamlit itself does only when the element goes

/** One clause of the sentence: a study's mark and name where it is about one, then its text. */
function clause([text, study, name], looks) {
  const parts = [];
  if (name) {
    const bold = document.createElement("b");
    const mark = drawn("svg", bold, { viewBox: "-1.4 -1.4 2.8 2.8", "aria-hidden": "true" });
    drawn("path", mark, { d: SHAPES[looks[study].symbol], fill: looks[study].colour });
    bold.append(name);
    parts.push(bold);
  }
  return [...parts, document.createTextNode(text)];
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".sentence");
  ends.get(root)?.();
  let frame = null, shown = null;
  const show = () => {
    frame = null;
    const percent = window.prunescope ? window.prunescope.percent : data.start, off = (value) => Math.abs(value - percent);
    const stop = data.stops.reduce((best, value, index) => off(value) < off(data.stops[best]) ? index : best, 0);
    if (stop === shown) return;
    shown = stop;
    root.replaceChildren(...data.sentences[stop].flatMap((part) => clause(part, data.looks)));
  };
  const later = () => { frame ??= requestAnimationFrame(show); };
  window.addEventListener("prunescope-cursor", later);
  show();
  const end = () => { window.removeEventListener("prunescope-cursor", later); cancelAnimationFrame(frame); };
  ends.set(root, end);
  return end;
}
