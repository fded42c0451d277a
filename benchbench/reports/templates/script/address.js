// What is chosen stands in the address, so that a view can be kept and sent: #model=a&sel=1a2b&x0=size
const addressOf = () => {
  const found = new URLSearchParams();
  for (const name of FACETS) for (const choice of wanted[name]) found.append(name, data.facets[name][choice]);
  if (words.trim()) found.set("find", words.trim());
  if (selected.size) found.set("sel", [...selected].map((at) => data.cells[at].key).join(","));
  if (only) found.set("only", "1");
  charts.forEach(({ plot, x, y, log }, at) => {
    if (x) found.set(`x${at}`, plot.x[x].name);
    if (y) found.set(`y${at}`, plot.y[y].name);
    if (!log) found.set(`lin${at}`, "1");
  });
  return String(found);
};

let written = "";
function write() {
  const now = addressOf();
  if (now === written) return;
  written = now;
  try { history.replaceState(null, "", `#${now}`); } catch { /* some places let a page change no address */ }
}

// A name that this page does not have is passed over: the address may be of an older report.
function read() {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const name of FACETS)
    for (const choice of found.getAll(name)) {
      const at = data.facets[name].indexOf(choice);
      if (at >= 0) wanted[name].add(at);
    }
  words = found.get("find") ?? "";
  for (const name of (found.get("sel") ?? "").split(",")) {
    const at = name ? data.cells.findIndex((cell) => cell.key === name) : -1;
    if (at >= 0) { selected.add(at); mark(at); }
  }
  only = found.has("only") && selected.size > 0;
  charts.forEach((chart, at) => readAxes(chart, found, at));
}

function readAxes(chart, found, number) {
  const named = (axes, name) => Math.max(0, axes.findIndex((axis) => axis.name === name));
  const [x, y, log] = [named(chart.plot.x, found.get(`x${number}`)), named(chart.plot.y, found.get(`y${number}`)), !found.has(`lin${number}`)];
  if (x === chart.x && y === chart.y && log === chart.log) return;
  Object.assign(chart, { x, y, log });
  addAxes(chart);
  redraw(chart);
}

function startAddress() {
  const isView = () => location.hash.includes("=");
  if (isView()) { read(); markPlots(); }
  written = isView() ? location.hash.slice(1) : "";
  show();
  listeners.push(write);
  addEventListener("hashchange", () => {
    if (!isView() || location.hash.slice(1) === written) return;
    for (const name of FACETS) wanted[name].clear();
    for (const at of [...selected]) { selected.delete(at); mark(at); }
    read();
    markPlots();
    show();
  });
}
