// Marks a result as old while another sentence is being typed, and brings a new one into view where
// it would begin below the screen, as on a phone.
let shown = null;
const words = (text) => text.split(/\s+/).filter(Boolean).join(" ");
export default function ({ data, parentElement }) {
  const root = parentElement.getRootNode();
  const holder = (root.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (holder) { holder.style.display = "none"; }
  const outcome = () => document.querySelector(".st-key-a-outcome");
  const area = () => document.querySelector(".st-key-a-text textarea");
  const mark = () => {
    const typed = data.text !== null && area() && words(area().value) !== words(data.text);
    outcome()?.classList.toggle("ps-typed-over", Boolean(typed));
  };
  const listen = (event) => { if (event.target === area()) { mark(); } };
  document.addEventListener("input", listen);
  // not `mark`: what the server wrote into the field may not be there yet
  outcome()?.classList.remove("ps-typed-over");
  if (data.token && data.token !== shown) {
    shown = data.token;
    const box = outcome();
    if (box && box.getBoundingClientRect().top > 0.75 * window.innerHeight) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      box.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    }
  }
  return () => document.removeEventListener("input", listen);
}
