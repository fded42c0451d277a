// Light and dark. A page that was opened from a file may have no storage: then nothing is kept.
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

const recall = () => { try { return localStorage.getItem("benchbench-theme"); } catch { return null; } };
const keep = (theme) => { try { localStorage.setItem("benchbench-theme", theme); } catch { /* see above */ } };
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

function startTheme() {
  const button = byId("theme"), saved = recall();
  const label = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  if (!root.dataset.theme && (saved === "light" || saved === "dark")) root.dataset.theme = saved;
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; keep(root.dataset.theme); label(); });
  label();
}
