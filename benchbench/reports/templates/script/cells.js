// Which cells are shown and which are selected. Everything that is about one cell carries its
// number in data-c: rows, columns of tables by class, points, names of points, caveats, details.
const data = JSON.parse(byId("data").textContent);
const FACETS = Object.keys(data.facets);
const wanted = Object.fromEntries(FACETS.map((name) => [name, new Set()]));
const selected = new Set();
let words = "", only = false, visible = data.cells.map(() => true);
const places = data.cells.map(() => []);
const listeners = [];
const haystacks = data.cells.map((cell) => [
  cell.name, ...cell.of.map((choice, at) => data.facets[FACETS[at]][choice]), ...cell.notes.flatMap((note) => data.notes[note]),
].join(" ").toLowerCase());

const passes = (cell, at) =>
  FACETS.every((name, facet) => !wanted[name].size || wanted[name].has(cell.of[facet])) &&
  words.toLowerCase().split(/\s+/).every((word) => haystacks[at].includes(word)) &&
  (!only || selected.has(at));
const filtered = () => only || words.trim() !== "" || FACETS.some((name) => wanted[name].size);

function place(within) {
  for (const element of all("[data-c]", within)) places[element.dataset.c].push(element);
  for (const table of all("table.by-cell", within)) placeColumns(table);
}

// A table by class has a column for each cell: its head has the number, its squares belong to it.
function placeColumns(table) {
  for (const head of all("th[data-c]", table))
    for (const row of table.tBodies[0].rows) places[head.dataset.c].push(row.cells[head.dataset.column]);
  for (const head of all("th[colspan]", table)) head.dataset.span = head.colSpan;
}

function spanColumns(table) {
  const heads = all("th[data-c]", table);
  for (const row of [...table.tHead.rows].slice(0, -1)) {
    let from = 0;
    for (const head of all("th[data-span]", row)) {
      const of = heads.slice(from, from += Number(head.dataset.span)).filter((one) => !one.hidden).length;
      head.hidden = !of;
      head.colSpan = of || 1;
    }
  }
}

const isEmpty = (table) => table.matches(".by-cell")
  ? all("th[data-c]", table).every((head) => head.hidden)
  : table.querySelector("tr[data-c]") && ![...table.tBodies[0].rows].some((row) => !row.hidden);

function tellEmpty(tools) {
  const table = tools.nextElementSibling.querySelector("table"), note = tools.querySelector(".none");
  const empty = isEmpty(table);
  if (empty && !note) tools.prepend(make("span", { className: "none", textContent: "No cell of this table passes the filter." }));
  if (!empty && note) note.remove();
}

function told() {
  const parts = FACETS.filter((name) => wanted[name].size).map((name) => `${name === "set" ? "dataset" : name} ${[...wanted[name]].map((choice) => data.facets[name][choice]).join(" or ")}`);
  if (words.trim()) parts.push(`with “${words.trim()}”`);
  if (only) parts.push("selected by hand");
  return parts.join("; ");
}

function show() {
  const now = data.cells.map(passes);
  now.forEach((passed, at) => {
    if (passed !== visible[at]) for (const element of places[at]) element.toggleAttribute("hidden", !passed);
  });
  visible = now;
  all("table.by-cell").forEach(spanColumns);
  all(".tools").forEach(tellEmpty);
  tell();
}

function tell() {
  const count = visible.filter(Boolean).length, every = data.cells.length;
  const picked = selected.size ? `, ${selected.size} selected` : "";
  byId("count").textContent = `${count} of ${every} cells${picked}`;
  byId("printed").textContent = `Filtered: ${count} of ${every} cells; ${told()}. Sentences and counts of the summary are of all cells.`;
  byId("printed").hidden = !filtered();
  byId("reset").disabled = !filtered() && !selected.size;
  byId("only").disabled = !selected.size && !only;
  byId("only").checked = only;
  for (const facet of all(".facet")) {
    const choices = wanted[facet.dataset.facet];
    facet.querySelector(".some").textContent = choices.size ? `${choices.size}` : "";
    for (const box of all("input", facet)) box.checked = choices.has(Number(box.value));
  }
  if (byId("find").value !== words) byId("find").value = words;
  for (const listen of listeners) listen();
}

function mark(at) {
  const on = selected.has(at);
  for (const element of places[at]) {
    element.classList.toggle("on", on);
    if (element.matches(".pt")) element.setAttribute("aria-pressed", on);
    const box = element.querySelector(":scope > .who > .pick");
    if (box) box.checked = on;
  }
}

function markPlots() {
  for (const plot of all(".plot")) plot.classList.toggle("picked", selected.size > 0);
}

function pick(at) {
  if (!selected.delete(at)) selected.add(at);
  mark(at);
  markPlots();
  if (!selected.size) only = false;
  show();
}

function unpick() {
  const before = [...selected];
  selected.clear();
  before.forEach(mark);
  markPlots();
  only = false;
  show();
}

function reset() {
  words = "";
  for (const name of FACETS) wanted[name].clear();
  unpick();
}

// One box of a table is reached by Tab, the others from it by the arrow keys.
function addBoxes(table) {
  const rows = all("tbody > tr[data-c]", table).filter((row) => row.querySelector(":scope > .who"));
  rows.forEach((row, at) => {
    const box = make("input", { type: "checkbox", className: "pick", tabIndex: at ? -1 : 0 });
    box.setAttribute("aria-label", `Select ${data.cells[row.dataset.c].name}`);
    row.querySelector(".who").prepend(box);
  });
}

function moveBox(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (!event.target.matches(".pick") || !(event.key in steps)) return;
  event.preventDefault();
  const boxes = all("tbody > tr:not([hidden]) .pick", event.target.closest("table"));
  focusStep(boxes, event.target, steps[event.key]);
}

function focusStep(elements, from, step) {
  const to = elements[Math.max(0, Math.min(elements.length - 1, elements.indexOf(from) + step))];
  from.setAttribute("tabindex", -1);
  to.setAttribute("tabindex", 0);
  to.focus();
}

// A box that is hidden cannot be reached: then the first that is shown takes its place.
function reach(elements, isShown) {
  const at = elements.find((element) => element.getAttribute("tabindex") === "0");
  const next = elements.find(isShown);
  if (!next || (at && isShown(at))) return;
  if (at) at.setAttribute("tabindex", -1);
  next.setAttribute("tabindex", 0);
}

function clickRow(event) {
  if (event.target.matches(".pick")) return pick(Number(event.target.closest("tr").dataset.c));
  const row = event.target.closest("main tbody > tr[data-c]");
  if (!row || event.target.closest("a, button, input, summary, select, label, pre") || String(getSelection())) return;
  pick(Number(row.dataset.c));
}

function startFacet(facet) {
  const choices = wanted[facet.dataset.facet];
  facet.addEventListener("change", (event) => {
    const choice = Number(event.target.value);
    if (!choices.delete(choice)) choices.add(choice);
    show();
  });
  facet.addEventListener("toggle", () => {
    if (facet.open) for (const other of all(".facet[open]")) if (other !== facet) other.open = false;
  });
}

function escape() {
  const open = document.querySelector(".facet[open]");
  if (!open) return unpick();
  open.open = false;
  open.querySelector("summary").focus();
}

function startCells() {
  place(document);
  for (const table of all("main table")) addBoxes(table);
  listeners.push(() => {
    for (const table of all("main table")) reach(all(".pick", table), (box) => !box.closest("tr").hidden);
  });
  all(".facet").forEach(startFacet);
  byId("find").addEventListener("input", (event) => { words = event.target.value; show(); });
  byId("only").addEventListener("change", (event) => { only = event.target.checked; show(); });
  byId("reset").addEventListener("click", reset);
  document.addEventListener("click", (event) => {
    clickRow(event);
    for (const open of all(".facet[open]")) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    moveBox(event);
    if (event.key === "Escape" && !event.defaultPrevented) escape();
  });
  byId("filters").hidden = false;
}
