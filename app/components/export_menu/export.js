const pending = new Map();  // by bar: the number of the file that was asked for and has not come yet
export default function ({ data, parentElement, setTriggerValue }) {
  const bar = parentElement.querySelector(".bar");
  const say = (text) => { bar.querySelector("output").textContent = text; };
  const save = (name, url) => {
    const link = document.createElement("a");
    link.href = url; link.download = name; link.click();
    setTimeout(() => URL.revokeObjectURL(url), 5000);
  };
  const write = (name, type, text) => save(name, URL.createObjectURL(new Blob([text], { type })));
  const area = () => document.querySelector(`.st-key-${data.chart}`);
  const plot = () => area()?.querySelector(".js-plotly-plot");
  const own = () => area()?.querySelector("[data-drawing]");  // a chart of this project's own, which draws itself as SVG
  const rasterise = (svg) => {
    const picture = new Image(), scale = 3;
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = scale * picture.width; canvas.height = scale * picture.height;
      const paper = canvas.getContext("2d");
      paper.scale(scale, scale); paper.drawImage(picture, 0, 0);
      canvas.toBlob((blob) => save(`${data.name}.png`, URL.createObjectURL(blob)), "image/png");
    };
    picture.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  };
  const picture = (format) => {
    if (own()) {
      const svg = own().draw();
      if (format === "svg") write(`${data.name}.svg`, "image/svg+xml", svg); else rasterise(svg);
      return;
    }
    const chart = plot(), camera = chart && chart.querySelector('.modebar-btn[data-title^="Download plot"]');
    if (!camera) { say("The chart is not ready yet."); return; }
    chart._context.toImageButtonOptions = { format, filename: data.name, scale: format === "png" ? 3 : 1,
      width: chart.clientWidth, height: chart.clientHeight };
    const original = { data: chart.data, layout: chart.layout };  // the camera copies both at once
    Object.assign(chart, withCursor(chart));
    camera.click();
    Object.assign(chart, original);
  };
  const withCursor = (chart) => {  // as the browser draws it over the chart: a line, and a mark on every curve
    const cursor = chart.prunescopeCursor, { data, layout } = chart;
    if (!cursor) return { data, layout };
    const look = { color: "#7D8590", width: 1.5 };
    const line = { type: "line", x0: cursor.x, x1: cursor.x, yref: "paper", y0: 0, y1: 1, line: look };
    const marks = cursor.marks.map(({ axis, y, symbol, colour, measured }) => ({
      type: "scatter", mode: "markers", x: [cursor.x], y: [y],
      yaxis: axis.replace("axis", ""), xaxis: layout[axis]?.anchor ?? "x",
      marker: { symbol, size: 13, color: measured ? colour : layout.paper_bgcolor, line: { color: colour, width: 2 } },
      showlegend: false, cliponaxis: false, name: "cursor",
    }));
    return { data: [...data, ...marks], layout: { ...layout, shapes: [...(layout.shapes ?? []), line] } };
  };
  const figure = () => {  // without what Plotly keeps for itself, and never closing the script that it stands in
    const kept = (key, value) => key.startsWith("_") ? undefined
      : ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value) : value;
    const chart = plot(), { data: traces, layout: { width, ...layout } } = withCursor(chart);
    const theme = { font: chart._fullLayout.font, paper_bgcolor: chart._fullLayout.paper_bgcolor };
    return JSON.stringify({ data: traces, layout: { ...theme, ...layout } }, kept).replace(/</g, "\\u003c");
  };
  const ask = (format) => {
    if (format === "html" && !own() && !plot()) { say("The chart is not ready yet."); return; }
    pending.set(data.bar, Date.now());
    say("…");
    setTriggerValue("ask", { number: pending.get(data.bar), format, drawn: Boolean(own()) });
  };
  bar.setAttribute("aria-label", data.label);
  bar.querySelector("span").textContent = "Export";
  for (const old of bar.querySelectorAll("button")) old.remove();
  for (const format of data.formats) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = data.titles[format];
    button.onclick = () => { say(""); if (["png", "svg"].includes(format)) picture(format); else ask(format); };
    bar.insertBefore(button, bar.querySelector("output"));
  }
  if (data.file && data.file.number === pending.get(data.bar)) {
    pending.delete(data.bar);
    const text = data.file.format !== "html" ? data.file.text
      : data.file.text.replace(data.place, () => own() ? own().draw() : figure());
    write(`${data.name}.${data.file.ending}`, data.file.type, text);
    say("");
  }
}
