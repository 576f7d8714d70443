const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {  // paths about the origin, of radius 1
  circle: "M1,0A1,1 0 1,1 -1,0A1,1 0 1,1 1,0Z", square: "M-.88,-.88H.88V.88H-.88Z", diamond: "M0,-1.25L1.25,0L0,1.25L-1.25,0Z",
  "triangle-up": "M0,-1.2L1.15,.85H-1.15Z", cross: "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  star: "M0,-1.35L.33,-.42H1.3L.52,.16L.8,1.1L0,.53L-.8,1.1L-.52,.16L-1.3,-.42H-.33Z",
};
const ends = new WeakMap();  // by element: what ends the last call, which Streamlit itself does only when the element goes

/** One clause of the sentence: a study's mark and name where it is about one, then its text. */
function clause([text, study, name], looks) {
  const parts = [];
  if (name) {
    const bold = document.createElement("b"), mark = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
    mark.setAttribute("viewBox", "-1.4 -1.4 2.8 2.8");
    mark.setAttribute("aria-hidden", "true");
    path.setAttribute("d", SHAPES[looks[study].symbol]);
    path.setAttribute("fill", looks[study].colour);
    mark.append(path);
    bold.append(mark, name);
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
