const KEY = "prunescope-tour";
const read = (store, key) => { try { return store.getItem(key); } catch { return null; } };
const keep = (store, key, value) => { try { store.setItem(key, value); } catch { /* shown again next time */ } };
export default function ({ data, parentElement }) {
  const of = (selector) => parentElement.querySelector(selector);
  const section = of("section"), root = parentElement.getRootNode();
  const holder = (root.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (data.again && read(sessionStorage, KEY) !== String(data.again)) {
    keep(sessionStorage, KEY, String(data.again));
    keep(localStorage, KEY, "0");
  }
  let step = read(localStorage, KEY);
  const show = () => {
    const over = step === "seen";
    section.hidden = over;
    if (holder) { holder.style.display = over ? "none" : ""; }
    if (over) { return; }
    const place = Math.min(Number(step) || 0, data.steps.length - 1), last = place === data.steps.length - 1;
    of(".count").textContent = `${place + 1} of ${data.steps.length}`;
    of(".title").textContent = data.steps[place][0];
    of(".words").textContent = data.steps[place][1];
    of(".back").hidden = place === 0;
    of(".next").hidden = last;
    of(".close").textContent = last ? "Done" : "Close";
  };
  const go = (value) => { step = String(value); keep(localStorage, KEY, step); show(); };
  of(".next").onclick = () => go((Number(step) || 0) + 1);
  of(".back").onclick = () => go((Number(step) || 0) - 1);
  of(".close").onclick = () => go("seen");
  section.onkeydown = (event) => { if (event.key === "Escape") { go("seen"); } };
  show();
}
