// The trade-off: what a point tells, and drawings over other axes. The drawing that came with the
// page stays until an axis is chosen.
const SVG = "http://www.w3.org/2000/svg";
const { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM, sizes: SIZES } = data.frame;
const charts = [];
const tip = make("div", { id: "tip", hidden: true });
tip.setAttribute("aria-hidden", "true");
let tipOf = null;

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// --- scales ---------------------------------------------------------------------------------

const shortNumber = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

function logScale(low, high, length) {
  const pad = Math.max((high / low) ** 0.06, 1.1);
  const [from, to] = [low / pad, high * pad], span = Math.log(to / from);
  return { at: (value) => length * Math.log(value / from) / span, ticks: (most) => logTicks(from, to, most) };
}

function logTicks(from, to, most) {
  const powers = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) powers.push(power);
  const finer = Array.from({ length: 90 }, (_, at) => (at + 10) / 10);
  let inside = [];
  for (const steps of [[1, 2, 5], finer.filter(Number.isInteger), finer]) {
    inside = powers.flatMap((power) => steps.map((step) => Number(`${step}e${power}`))).filter((value) => value >= from && value <= to);
    if (inside.length > 2) break;
  }
  const every = Math.max(1, Math.ceil(inside.length / most));
  return inside.filter((_, at) => at % every === 0).map((value) => [value, shortNumber(value)]);
}

function linearScale(from, to, length, turned) {
  const at = (value) => length * (turned ? to - value : value - from) / (to - from);
  return { at, ticks: (most) => linearTicks(from, to, most) };
}

function linearTicks(from, to, most) {
  const power = 10 ** Math.floor(Math.log10((to - from) / most));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((size) => (to - from) / size <= most);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
  for (let n = Math.ceil(from / step - 1e-9); n <= to / step + 1e-9; n++) found.push([n * step, (n * step).toFixed(decimals).replace("-", "−")]);
  return found;
}

// --- points ---------------------------------------------------------------------------------

// A figure is [text, value] or [text, value, low, high]; 0 where there is none.
const reachOf = (figure) => figure.slice(1);

function pointsOf(chart) {
  const { plot, x, y } = chart;
  const found = plot.cells.map((cell, at) => ({ cell, x: plot.x[x].points[at], y: plot.y[y].points[at] }));
  return found.filter((point) => point.x && point.y);
}

// Cells that ran otherwise than asked are on no front: their names do not say what is fast.
function frontOf(points, x, y) {
  const sign = x.higher ? -1 : 1, better = y.higher ? -1 : 1;
  const rank = (point) => [sign * point.x[1], better * point.y[1]];
  const sorted = points.filter((point) => !data.cells[point.cell].odd).sort((a, b) => {
    const [ax, ay] = rank(a), [bx, by] = rank(b);
    return ax - bx || ay - by;
  });
  const front = [];
  for (const point of sorted) {
    const [px, py] = rank(point), last = front.length ? rank(front[front.length - 1]) : null;
    if (!last || py < last[1] || (px === last[0] && py === last[1])) front.push(point);
  }
  return front;
}

function linesOfPoint(chart, point, best) {
  const { plot, x, y } = chart, cell = data.cells[point.cell];
  const says = (axis, figure) => `${axis.title.split(",")[0]} ${figure[0]}`;
  return {
    name: cell.name,
    figures: [says(plot.y[y], point.y), says(plot.x[x], point.x), ...(best ? ["on the Pareto front"] : [])],
    doubts: cell.notes.map((note) => data.notes[note][1]),
  };
}

function showTip(element, lines) {
  tip.replaceChildren(
    make("b", { textContent: lines.name }),
    ...lines.figures.map((text) => make("p", { textContent: text })),
    ...lines.doubts.map((text) => make("p", { className: "doubt", textContent: text })),
  );
  tip.hidden = false;
  tipOf = element;
  placeTip();
}

function placeTip() {
  if (tip.hidden) return;
  const at = tipOf.querySelector(".hit").getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = at.right + 10 + own.width > innerWidth ? at.left - 10 - own.width : at.right + 10;
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - own.width - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(at.top - 8, innerHeight - own.height - 8))}px`;
}
const hideTip = () => { tip.hidden = true; };

function enliven(chart, svg) {
  const found = new Map(pointsOf(chart).map((point) => [point.cell, point]));
  svg.setAttribute("role", "group");
  svg.querySelector(".labels").setAttribute("aria-hidden", "true");
  for (const element of all(".pt", svg)) {
    const cell = Number(element.dataset.c), lines = linesOfPoint(chart, found.get(cell), element.matches(".best"));
    element.querySelector("title")?.remove();
    element.prepend(draw("circle", { class: "hit", r: 13 }));
    const told = [lines.name, ...lines.figures, ...lines.doubts].join("; ");
    for (const [name, value] of Object.entries({ role: "button", tabindex: -1, "aria-label": told, "aria-pressed": selected.has(cell) })) element.setAttribute(name, value);
    element.addEventListener("pointerenter", () => showTip(element, lines));
    element.addEventListener("pointerleave", hideTip);
    element.addEventListener("focus", () => { if (element.matches(":focus-visible")) showTip(element, lines); });
    element.addEventListener("blur", hideTip);
    element.addEventListener("click", () => pick(cell));
  }
}

// From left to right, as the arrow keys go; of those that are hidden by a filter, none.
function orderOf(svg) {
  const across = (element) => element.transform.baseVal[0].matrix.e;
  return all(".pt:not([hidden])", svg).sort((a, b) => across(a) - across(b));
}

function movePoint(event) {
  const point = event.target.closest?.(".pt");
  if (!point) return;
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return pick(Number(point.dataset.c)); }
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (!(event.key in steps)) return;
  event.preventDefault();
  focusStep(orderOf(point.ownerSVGElement), point, steps[event.key]);
}

// --- drawing --------------------------------------------------------------------------------

function frameOf(chart, points, [width, height]) {
  const xs = points.flatMap((point) => reachOf(point.x)), ys = points.flatMap((point) => reachOf(point.y));
  const [low, high] = [Math.min(...ys), Math.max(...ys)], pad = Math.max((high - low) * 0.08, 0.01);
  const positive = xs.filter((value) => value > 0), most = Math.max(...positive);
  return {
    width, height,
    x: chart.log ? logScale(Math.min(...positive), most, width) : linearScale(0, most * 1.05, width, false),
    y: linearScale(low < 0 ? low - pad : Math.max(low - pad, 0), high <= 1 ? Math.min(high + pad, 1) : high + pad, height, true),
  };
}

function barsOf(point, frame, x, y) {
  let path = "";
  if (point.x.length > 2) path += `M${frame.x.at(Math.max(point.x[2], point.x[1] / 1e3)) - x} 0H${frame.x.at(point.x[3]) - x}`;
  if (point.y.length > 2) path += `M0 ${frame.y.at(point.y[2]) - y}V${frame.y.at(point.y[3]) - y}`;
  return path;
}

function drawPoint(point, frame, best) {
  const cell = data.cells[point.cell], x = frame.x.at(point.x[1]), y = frame.y.at(point.y[1]);
  const precision = data.facets.precision[cell.of[FACETS.indexOf("precision")]], bars = barsOf(point, frame, x, y);
  const element = draw("g", { class: `pt r${cell.shade}${best ? " best" : ""}`, "data-c": point.cell, transform: `translate(${x} ${y})` });
  if (bars) element.append(draw("path", { class: "bar", d: bars }));
  if (cell.signs.includes("†")) element.append(draw("circle", { class: "ring", r: 10 }));
  if (cell.signs.includes("‡")) element.append(draw("path", { class: "ring", d: "M-9-9H9V9H-9Z" }));
  element.append(draw("use", { href: `#k-${precision}`, x: -7, y: -7 }));
  return element;
}

const meets = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

// Names stand where they lie on no point and no other name, the front's first.
function drawLabels(points, front, frame) {
  const at = (point) => [frame.x.at(point.x[1]), frame.y.at(point.y[1])];
  const taken = points.map((point) => { const [x, y] = at(point); return [x - 6, y - 6, x + 6, y + 6]; });
  const group = draw("g", { class: "labels" });
  for (const point of [...front, ...points.filter((one) => !front.includes(one))].slice(0, 80)) {
    const cell = data.cells[point.cell], best = front.includes(point), [x, y] = at(point);
    const text = `${cell.tag}${cell.signs && ` ${cell.signs}`}`, width = text.length * (best ? 7 : 6.2);
    const boxes = [[10, 0], [-10 - width, 0], [8, -13], [8, 13], [-8 - width, -13], [-8 - width, 13], [-width / 2, -17], [-width / 2, 17]]
      .map(([dx, dy]) => [x + dx, y + dy - 7, x + dx + width, y + dy + 7]);
    const box = boxes.find((one) => one[0] >= 2 && one[2] <= frame.width && one[1] >= 0 && one[3] <= frame.height && !taken.some((other) => meets(one, other)));
    if (!box) continue;
    taken.push(box);
    group.append(draw("text", { class: `r${cell.shade}${best ? " best" : ""}`, "data-c": point.cell, x: box[0], y: (box[1] + box[3]) / 2 + 4 }, text));
  }
  return group;
}

function stepsOf(front, frame, higher) {
  const path = front.map((point, at) => {
    const x = frame.x.at(point.x[1]), y = frame.y.at(point.y[1]);
    return at ? `H${x}V${y}` : `M${x} ${y}`;
  });
  return path.length ? `${path.join("")}H${higher ? 0 : frame.width}` : "";
}

function drawAxes(chart, frame, narrow) {
  const { plot, x, y, log } = chart, { width, height } = frame;
  const xs = frame.x.ticks(narrow ? 5 : 9), ys = frame.y.ticks(6);
  const grid = xs.map(([value]) => `M${frame.x.at(value)} 0V${height}`).join("") + ys.map(([value]) => `M0 ${frame.y.at(value)}H${width}`).join("");
  const scale = log ? "log scale" : "from 0", sense = plot.x[x].higher ? "more is better" : "less is better";
  return [
    draw("path", { class: "grid", d: grid }), draw("path", { class: "frame", d: `M0 0V${height}H${width}` }),
    draw("g", { class: "mid" }, ...xs.map(([value, text]) => draw("text", { x: frame.x.at(value), y: height + 18 }, text)),
      draw("text", { class: "name", x: width / 2, y: height + 40 }, `${plot.x[x].title} (${scale}${narrow ? "" : `; ${sense}`})`)),
    draw("g", { class: "end" }, ...ys.map(([value, text]) => draw("text", { x: -8, y: frame.y.at(value) + 4 }, text))),
    draw("text", { class: "name mid", transform: `translate(-47 ${height / 2}) rotate(-90)` }, `${plot.y[y].title} (the axis need not start at 0)`),
  ];
}

function drawChart(chart, name) {
  const [width, height] = SIZES[name], { plot, x, y } = chart, points = pointsOf(chart), front = frontOf(points, plot.x[x], plot.y[y]);
  const svg = draw("svg", { class: name, viewBox: `0 0 ${width} ${height}`, "aria-label": `${plot.y[y].title} against ${plot.x[x].title}: ${points.length} cells, ${front.length} on the Pareto front` });
  const inner = draw("g", { transform: `translate(${LEFT} ${TOP})` });
  svg.append(inner);
  if (!points.length) return svg;
  const frame = frameOf(chart, points, [width - LEFT - RIGHT, height - TOP - BOTTOM]);
  const order = [...points.filter((point) => !front.includes(point)), ...front];
  inner.append(...drawAxes(chart, frame, name === "narrow"), draw("path", { class: "front", d: stepsOf(front, frame, plot.x[x].higher) }),
    draw("g", { class: "points" }, ...order.map((point) => drawPoint(point, frame, front.includes(point)))),
    drawLabels(points.filter((point) => visible[point.cell]), front.filter((point) => visible[point.cell]), frame));
  return svg;
}

function redraw(chart) {
  const drawings = Object.keys(SIZES).map((name) => drawChart(chart, name)), { plot, x, y } = chart;
  chart.about.textContent = `${pointsOf(chart).length} cells with both figures. The line is the Pareto front of ${plot.y[y].title} and ${plot.x[x].title}, of cells that ran as asked.`;
  hideTip();
  chart.canvas.replaceChildren(...drawings);
  places.forEach((elements, at) => { places[at] = elements.filter((element) => element.isConnected); });
  for (const svg of drawings) if (svg.querySelector(".pt")) enliven(chart, svg);
  place(chart.canvas);
  for (const element of all("[data-c]", chart.canvas)) {
    element.toggleAttribute("hidden", !visible[element.dataset.c]);
    element.classList.toggle("on", selected.has(Number(element.dataset.c)));
  }
  tell();
}

// --- controls -------------------------------------------------------------------------------

function choice(text, axes, chosen, change) {
  const select = make("select", {}, ...axes.map((axis, at) => new Option(axis.title, at)));
  select.value = chosen;
  select.addEventListener("change", () => change(Number(select.value)));
  return make("label", {}, text, select);
}

function addAxes(chart) {
  const change = (changes) => { Object.assign(chart, changes); redraw(chart); };
  const log = make("input", { type: "checkbox", checked: chart.log });
  log.addEventListener("change", () => change({ log: log.checked }));
  chart.controls.replaceChildren(
    choice("x-axis", chart.plot.x, chart.x, (x) => change({ x })), make("label", {}, log, "log x-axis"),
    choice("y-axis", chart.plot.y, chart.y, (y) => change({ y })),
  );
  chart.controls.hidden = false;
}

function startPlots() {
  for (const figure of all(".plot[data-plot]")) {
    const chart = { plot: data.plots[figure.dataset.plot], x: 0, y: 0, log: true, canvas: figure.querySelector(".canvas"), controls: figure.querySelector(".axes"), about: figure.querySelector(".about") };
    charts.push(chart);
    addAxes(chart);
    for (const svg of all("svg", chart.canvas)) enliven(chart, svg);
  }
  document.body.append(tip);
  listeners.push(() => {
    for (const svg of all(".canvas svg")) reach(orderOf(svg), () => true);
  });
  document.addEventListener("keydown", (event) => { movePoint(event); if (event.key === "Escape") hideTip(); });
  addEventListener("scroll", placeTip, { passive: true });
}
