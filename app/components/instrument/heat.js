const states = new WeakMap();  // by element: the cell that was picked
const ends = new WeakMap();  // by element: what ends the last call, which Streamlit itself does only when the element goes
const make = (name, inside, text = "") => {
  const element = document.createElement(name);
  element.textContent = text;
  inside.append(element);
  return element;
};
const dim = ([r, g, b]) => {
  const linear = [r, g, b].map((part) => part / 255).map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179;  // white stands out more than black: 4.58 at least
};
const written = (error) => error >= 0.095 ? error.toFixed(2) : error >= 0.0005 || error === 0 ? error.toFixed(3) : "<.001";
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

const scaleTicks = ([smallest, largest]) => {  // 1, 2 and 5 times the powers of ten, and what lies below
  const [low, high] = [smallest, largest].map(Math.log10), ticks = [{ share: 0, label: `≤ ${+smallest.toPrecision(1)}` }];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    for (const digit of [1, 2, 5]) {
      const share = (Math.log10(digit) + power - low) / (high - low || 1);
      if (share > 0.17 && share <= 1.0001) ticks.push({ share, label: String(+(digit * 10 ** power).toPrecision(1)) });
    }
  }
  return ticks;
};

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".ps-heat");
  ends.get(root)?.();
  const { stops, levels, between, blocks, modules, names, bounds, colours, start } = data;
  const state = states.get(root) ?? { picked: data.picked ?? null, focus: 0 };
  states.set(root, state);
  const head = root.querySelector("thead"), body = root.querySelector("tbody");
  const [low, high] = bounds.map(Math.log10);
  const colourOf = (error) => {
    const share = error > 0 ? (Math.log10(error) - low) / (high - low || 1) : 0;
    return colours[Math.round(Math.min(1, Math.max(0, share)) * (colours.length - 1))];
  };
  const inks = colours.map((colour) => dim(colour.match(/\d+/g).map(Number)) ? "#FFFFFF" : "#000000");
  const inkOf = (colour) => inks[colours.indexOf(colour)];

  root.classList.toggle("many", blocks.length > 12);
  head.replaceChildren();
  body.replaceChildren();
  const top = make("tr", head);
  make("th", top, "block").scope = "col";
  for (const name of names) make("th", top, name.replace("intermediate", "inter\u00ADmediate")).scope = "col";
  const cells = [];
  blocks.forEach((block, row) => {
    const line = make("tr", body);
    make("th", line, block).scope = "row";
    modules.forEach((module, column) => {
      const cell = make("td", line);
      const index = row * modules.length + column;
      cell.tabIndex = index === state.focus ? 0 : -1;
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-selected", `${row}.${module}` === state.picked);
      cell.onclick = () => pick(index);
      cell.onkeydown = (event) => {
        const to = { ArrowRight: index + 1, ArrowLeft: index - 1, ArrowDown: index + modules.length,
                     ArrowUp: index - modules.length }[event.key];
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(index); }
        if (cells[to]) { event.preventDefault(); focus(to); cells[to].focus(); }
      };
      cell.append("");
      cells.push(cell);
    });
  });
  const focus = (index) => { cells[state.focus].tabIndex = -1; state.focus = index; cells[index].tabIndex = 0; };
  const pick = (index) => {
    state.picked = `${Math.floor(index / modules.length)}.${modules[index % modules.length]}`;
    focus(index);
    cells.forEach((cell, other) => cell.setAttribute("aria-selected", other === index));
    setStateValue("picked", state.picked);
  };
  const title = root.querySelector("h2"), scale = root.querySelector(".ps-scale");
  title.replaceChildren("");
  const small = make("small", title);
  scale.querySelector(".title").textContent = data.scale;
  scale.querySelector("i").style.background = `linear-gradient(to right, ${colours.join(",")})`;
  const ticks = scaleTicks(bounds);
  const row = scale.querySelector(".ticks");
  row.replaceChildren();
  for (const { share, label } of ticks) make("span", row, label).style.left = `${100 * share}%`;
  root.querySelector("p").textContent = data.note;

  const errors = (stop) => {
    const [below, above, share] = between[stop];
    return levels[below].map((error, index) => error + (levels[above][index] - error) * share);
  };
  const hatched = (stop) => data.remarks[stop] !== "";  // not measured there
  let frame = null, at = 0;
  const show = () => {
    frame = null;
    const percent = window.prunescope ? window.prunescope.percent : start;
    at = stops.reduce((best, stop, index) => Math.abs(stop - percent) < Math.abs(stops[best] - percent) ? index : best, 0);
    title.firstChild.data = `Layer errors at ${+stops[at].toFixed(2)}% `;
    small.textContent = data.remarks[at];
    root.classList.toggle("between", hatched(at));
    scale.querySelector(".between").hidden = !hatched(at);
    errors(at).forEach((error, index) => {
      const colour = colourOf(error), cell = cells[index];
      cell.firstChild.data = written(error);
      cell.style.backgroundColor = colour;
      cell.style.color = inkOf(colour);
    });
  };
  root.draw = () => {  // the map as a picture
    const wide = 74, tall = blocks.length > 12 ? 20 : 44, left = 46, above = 56;
    const width = left + wide * modules.length + 16, height = above + tall * blocks.length + 66;
    const text = (x, y, words, more = "") => `<text x="${x}" y="${y}" ${more}>${escaped(words)}</text>`;
    const parts = [`<rect width="${width}" height="${height}" fill="#FFFFFF"/>`, text(left, 20, title.textContent.trim(), 'font-size="14"')];
    names.forEach((name, column) => parts.push(text(left + wide * (column + 0.5), above - 8, name, 'font-size="10" text-anchor="middle"')));
    if (hatched(at)) parts.push('<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
                                '<rect width="1.5" height="8" fill="#808080" fill-opacity=".45"/></pattern></defs>');
    errors(at).forEach((error, index) => {
      const x = left + wide * (index % modules.length), y = above + tall * Math.floor(index / modules.length), colour = colourOf(error);
      parts.push(`<rect x="${x + 1}" y="${y + 1}" width="${wide - 2}" height="${tall - 2}" fill="${colour}"/>`,
                 hatched(at) ? `<rect x="${x + 1}" y="${y + 1}" width="${wide - 2}" height="${tall - 2}" fill="url(#hatch)"/>` : "",
                 text(x + wide / 2, y + tall / 2 + 4, written(error), `fill="${inkOf(colour)}" font-size="11" text-anchor="middle"`));
    });
    blocks.forEach((block, row) => parts.push(text(left - 8, above + tall * (row + 0.5) + 4, block, 'font-size="11" text-anchor="end"')));
    const base = above + tall * blocks.length + 14, step = wide * modules.length / colours.length;
    colours.forEach((colour, index) => parts.push(`<rect x="${left + step * index}" y="${base}" width="${step + 0.5}" height="8" fill="${colour}"/>`));
    for (const { share, label } of ticks) {
      parts.push(text(left + wide * modules.length * share, base + 20, label, `font-size="10" text-anchor="${share ? "middle" : "start"}"`));
    }
    parts.push(text(left, base + 36, data.scale + (hatched(at) ? "; hatched: interpolated" : ""), 'font-size="10"'));
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `font-family="sans-serif" fill="#1F2328">${parts.join("")}</svg>`;
  };
  const later = () => { frame ??= requestAnimationFrame(show); };
  window.addEventListener("prunescope-cursor", later);
  show();
  const end = () => { window.removeEventListener("prunescope-cursor", later); cancelAnimationFrame(frame); };
  ends.set(root, end);
  return end;
}
