// Tables: sorting by the heads, and copies for spreadsheets and documents.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// What a column is sorted by: the figure, or an end of its interval; a figure without an interval
// stands with itself.
function key(row, column, by) {
  const cell = row.cells[column];
  return (by && cell.dataset[by]) || (cell.dataset.v ?? (cell.title || cell.textContent.trim()));
}

const order = (numeric, sign) => (a, b) => {
  if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
  return sign * (numeric ? a.key - b.key : a.key.localeCompare(b.key));
};

function sort(head, down) {
  const table = head.closest("table"), body = table.tBodies[0], column = Number(head.dataset.column);
  const rows = [...body.rows].map((row) => ({ row, key: key(row, column, table.dataset.by) }));
  rows.sort(order(head.dataset.sort === "number", down ? -1 : 1));
  body.append(...rows.map((entry) => entry.row));
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
}

const plain = (cell) => {
  const copy = cell.cloneNode(true);
  for (const part of all("svg, input, .unseen", copy)) part.remove();
  for (const part of all("b, span, br, .chip", copy)) part.after(" ");
  return copy.textContent.replace(/\s+/g, " ").trim();
};
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// A spreadsheet must not run a name as a formula: such text stands behind an apostrophe.
const field = (text) => {
  const safe = /^[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
const figure = (cell) => cell.classList.contains("n") && cell.dataset.v !== undefined ? cell.dataset.v : plain(cell);
const shown = (cells) => [...cells].filter((cell) => !cell.hidden);
const linesOf = (table) => [table.tHead.rows[table.tHead.rows.length - 1], ...shown(table.tBodies[0].rows)].map((row) => shown(row.cells));
const csv = (table) => linesOf(table).map((cells) => cells.map((cell) => field(figure(cell))).join(",")).join("\n") + "\n";

function markdown(table) {
  const lines = linesOf(table).map((cells) => cells.map((cell) => plain(cell).replace(/[\\|<>`*_[\]]/g, "\\$&")));
  const rule = lines[0].map(() => "---");
  return [lines[0], rule, ...lines.slice(1)].map((cells) => `| ${cells.join(" | ")} |`).join("\n") + "\n";
}

async function copy(text, button) {
  const name = button.textContent;
  let done = true;
  try { await navigator.clipboard.writeText(text); } catch { done = oldCopy(text); }
  button.textContent = done ? "Copied" : "Not copied";
  setTimeout(() => { button.textContent = name; }, 1500);
}

// Browsers that give a local file no clipboard still copy what is selected.
function oldCopy(text) {
  const area = make("textarea", { value: text, className: "unseen" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

function addTools(tools) {
  const table = tools.nextElementSibling.querySelector("table");
  const button = (text, of) => {
    const made = make("button", { type: "button", textContent: text });
    made.addEventListener("click", () => copy(of(table), made));
    return made;
  };
  if (table.querySelector("td[data-l]")) {
    const choices = [["", "figure"], ["l", "low end"], ["h", "high end"]];
    const by = make("select", {}, ...choices.map(([value, text]) => new Option(text, value)));
    by.addEventListener("change", () => {
      table.dataset.by = by.value;
      const head = table.querySelector("th[aria-sort]");
      if (head) sort(head, head.getAttribute("aria-sort") === "descending");
    });
    tools.append(make("label", {}, "Sort by", by));
  }
  tools.append(button("Copy CSV", csv), button("Copy Markdown", markdown));
  tools.hidden = false;
}

function startTables() {
  for (const head of all("th[data-sort]")) {
    const control = make("button", { type: "button" });
    control.append(...head.childNodes);
    head.append(control);
    control.addEventListener("click", () => sort(head, head.getAttribute("aria-sort") === "ascending"));
  }
  for (const tools of all(".tools")) addTools(tools);
}
