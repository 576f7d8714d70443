const ends = new WeakMap();  // by element: what ends the last call, which Streamlit itself does only when the element goes

/** The cursor over a Plotly chart: a line through all panels, and a mark on every curve, hollow between measured levels. */
function overlay(name, marks, stops) {
  let plot = null, layer = null, line = null, dots = [], at = 0;
  const attach = () => {
    plot = document.querySelector(`.st-key-${name} .js-plotly-plot`);
    if (!plot || !plot._fullLayout || !plot._fullLayout.xaxis) { plot = null; return false; }
    if (getComputedStyle(plot).position === "static") plot.style.position = "relative";
    for (const old of plot.querySelectorAll(":scope > .prunescope-cursor")) old.remove();
    layer = drawn("svg", plot, { class: "prunescope-cursor", "aria-hidden": "true" });
    layer.style.cssText = "position:absolute;inset:0;width:100%;height:100%;pointer-events:none;overflow:visible";
    line = drawn("line", layer, { stroke: "currentColor", "stroke-width": 1.5, opacity: 0.55 });
    dots = marks.map((mark) => drawn("path", layer, { d: SHAPES[mark.symbol], stroke: mark.colour, "stroke-width": 0.34 }));
    if (plot.on && !plot.prunescopeListens) {
      plot.prunescopeListens = true;
      plot.on("plotly_afterplot", () => plot && window.dispatchEvent(new CustomEvent("prunescope-redraw")));
    }
    return true;
  };
  const draw = () => {
    if (!(plot && plot.isConnected && layer.isConnected) && !attach()) return;
    const layout = plot._fullLayout, x = layout.xaxis;
    if (!x._length) return;
    const across = x._offset + x.d2p(stops[at]), inside = across >= x._offset - 1 && across <= x._offset + x._length + 1;
    layer.style.display = inside ? "" : "none";
    const vertical = Object.keys(layout).filter((key) => /^yaxis\d*$/.test(key)).map((key) => layout[key]);
    const ends = { y1: Math.min(...vertical.map((y) => y._offset)), y2: Math.max(...vertical.map((y) => y._offset + y._length)) };
    for (const [key, value] of Object.entries({ x1: across, x2: across, ...ends })) line.setAttribute(key, value);
    marks.forEach((mark, index) => {
      const point = mark.at[at], axis = layout[mark.axis], dot = dots[index];
      const down = point && axis ? axis.d2p(point[0]) : NaN;
      const there = Number.isFinite(down) && down >= -1 && down <= axis._length + 1;
      dot.style.display = there ? "" : "none";
      if (!there) return;
      dot.setAttribute("transform", `translate(${across},${axis._offset + down}) scale(6.5)`);
      dot.setAttribute("fill", point[1] ? mark.colour : layout.paper_bgcolor);
    });
  };
  return { draw, to: (stop) => { at = stop; draw(); }, remove: () => layer && layer.remove() };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".cursor");
  ends.get(root)?.();
  const cursors = Object.entries(data.charts).map(([name, marks]) => overlay(name, marks, data.stops));
  let frame = null, stop = -1;
  const show = () => {
    frame = null;
    const percent = window.prunescope ? window.prunescope.percent : data.start, off = (value) => Math.abs(value - percent);
    stop = data.stops.reduce((best, value, index) => off(value) < off(data.stops[best]) ? index : best, 0);
    for (const cursor of cursors) cursor.to(stop);
  };
  const later = () => { frame ??= requestAnimationFrame(show); };
  const redraw = () => { for (const cursor of cursors) cursor.draw(); };
  window.addEventListener("prunescope-cursor", later);
  window.addEventListener("prunescope-redraw", redraw);
  window.addEventListener("resize", redraw);
  const watch = setInterval(redraw, 400);  // a chart may come later than its cursor, or be drawn anew
  show();
  const end = () => {
    window.removeEventListener("prunescope-cursor", later);
    window.removeEventListener("prunescope-redraw", redraw);
    window.removeEventListener("resize", redraw);
    clearInterval(watch);
    cancelAnimationFrame(frame);
    for (const cursor of cursors) cursor.remove();
  };
  ends.set(root, end);
  return end;
}
