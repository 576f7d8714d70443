const states = new WeakMap();  // by element: what the last call knew

export default function ({ data, parentElement, setStateValue }) {
  const find = (name) => parentElement.querySelector(name);
  const input = find("input"), now = find("output"), ticks = find(".ticks"), track = find(".shades"), flag = find(".safe");
  const { stops, start, turn, measured, safe } = data;
  const last = stops[stops.length - 1];
  const state = states.get(input) ?? { at: start, turn, sent: start, timer: 0 };
  states.set(input, state);
  if (state.turn !== turn) { state.turn = turn; state.at = state.sent = start; }  // the server moved it

  const words = (value) => `${+value.toFixed(2)}%`;
  const nearest = (value) => stops.reduce((best, stop) => Math.abs(stop - value) < Math.abs(best - value) ? stop : best);
  const place = (value) => `${100 * value / last}%`;
  const show = () => {
    input.value = state.at;
    input.setAttribute("aria-valuetext", words(state.at) + (measured.includes(state.at) ? ", measured" : ", interpolated"));
    now.textContent = words(state.at);
    window.prunescope = { percent: state.at };
    window.dispatchEvent(new CustomEvent("prunescope-cursor", { detail: state.at }));
  };
  const send = () => {
    clearTimeout(state.timer);
    if (state.at !== state.sent) { state.sent = state.at; setStateValue("percent", state.at); }
  };
  const move = (value) => { state.at = nearest(Math.min(last, Math.max(0, value))); show(); };
  const step = (by) => {  // to the next stop, or by whole points
    const here = stops.indexOf(state.at);
    return Math.abs(by) === 1 ? stops[Math.min(stops.length - 1, Math.max(0, here + by))] : state.at + by;
  };

  input.max = last;
  input.oninput = () => move(Number(input.value));
  input.onchange = send;
  input.onkeydown = (event) => {
    const to = { ArrowRight: step(1), ArrowUp: step(1), ArrowLeft: step(-1), ArrowDown: step(-1), PageUp: step(5),
                 PageDown: step(-5), Home: 0, End: last }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(to);
    clearTimeout(state.timer);
    state.timer = setTimeout(send, 250);  // a held key is one move
  };
  input.onblur = send;

  ticks.replaceChildren();
  track.replaceChildren();
  const shades = safe ? [["sure", 0, safe.sure], ["likely", safe.sure, safe.best], ["possible", safe.best, safe.possible]] : [];
  for (const [name, from, to] of shades) {
    if (to <= from) continue;
    const shade = document.createElement("b");
    shade.className = name;
    shade.style.left = place(from);
    shade.style.width = `${100 * (to - from) / last}%`;
    track.append(shade);
  }
  for (const value of measured) {
    const tick = document.createElement("i");
    tick.style.left = place(value);
    ticks.append(tick);
  }
  flag.hidden = !safe;
  if (safe) {
    flag.textContent = safe.sure > 0 ? `▲ safe up to ${words(safe.sure)}` : "▲ none certain to be safe";
    flag.title = `Go there. 95% confidence; best guess ${words(safe.best)}.`;
    flag.style.left = `clamp(5rem, calc(12px + ${safe.sure / last} * (100% - 24px)), calc(100% - 5rem))`;
    flag.onclick = () => { move(safe.sure); send(); };
  }
  show();
  return () => clearTimeout(state.timer);
}
