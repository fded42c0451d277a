(() => {
  "use strict";
  const root = document.documentElement;
  const recall = () => { try { return localStorage.getItem("benchbench-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("benchbench-theme", theme); } catch { /* a file: page may have no storage */ } };
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const button = document.getElementById("theme");
  const label = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  const saved = recall();
  if (!root.dataset.theme && (saved === "light" || saved === "dark")) root.dataset.theme = saved;
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; keep(root.dataset.theme); label(); });
  label();

  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const order = (numeric, sign) => (a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
    return sign * (numeric ? a.key - b.key : a.key.localeCompare(b.key));
  };
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], column = Number(head.dataset.column);
    const down = head.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows].map((row) => ({ row, key: value(row, column) }));
    rows.sort(order(head.dataset.sort === "number", down ? -1 : 1));
    body.append(...rows.map((entry) => entry.row));
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const head of document.querySelectorAll("th[data-sort]")) {
    const control = document.createElement("button");
    control.type = "button";
    control.append(...head.childNodes);
    head.append(control);
    control.addEventListener("click", () => sort(head));
  }
  addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });
})();
