// Tables of domains, addresses, tags and classes. The server sorts and filters, and sends only the rows that can be seen; rows stay
// where they are while the pointer is on them.

import { follow } from "./live.js";
import { kinds } from "./kinds.js";

const number = new Intl.NumberFormat("en-US");
const panel = document.querySelector("[data-page=list]");
const box = panel.querySelector(".rows");
const table = panel.querySelector("table");
const body = panel.querySelector("tbody");
const search = document.getElementById("search");
const still = panel.querySelector(".still");
const height = () => parseFloat(getComputedStyle(panel).getPropertyValue("--row")); // of a row: more where it is a card
const spare = 20; // rows drawn above and below what is seen
const { of } = panel.dataset;
const withStatus = panel.dataset.status === "true";

let sort = panel.dataset.sort;
let from = 0;
let count = 60;
let end = () => {};
let topic = "";
let held = false;
let latest = null;
let drawn = ""; // the window whose rows are in the table

function watch() {
  const first = Math.max(0, Math.floor(box.scrollTop / height()) - spare);
  const seen = Math.ceil(box.clientHeight / height()) + 2 * spare;
  if (latest && topic && Math.abs(first - from) < spare / 2 && seen <= count) return ask();
  from = first;
  count = Math.min(200, seen + 10);
  ask();
}

function ask() {
  const query = new URLSearchParams({ of, sort, from, n: count });
  if (search.value) query.set("q", search.value);
  const wanted = "rows?" + query;
  if (wanted === topic) return;
  topic = wanted;
  end();
  end = follow(topic, show);
}

function show(view) {
  if (!view) return;
  latest = view;
  panel.querySelector("[data-total]").textContent = number.format(view.total);
  panel.querySelector("[data-all]").textContent = number.format(view.all);
  table.setAttribute("aria-rowcount", view.total);
  panel.querySelector("[data-cut]").hidden = !view.cut;
  panel.querySelector("[data-apart]").textContent = number.format(view.all - 1);
  const empty = panel.querySelector(".empty");
  empty.hidden = view.total > 0;
  if (view.total === 0) {
    const words = panel.querySelector("[data-empty]");
    if (search.value) words.textContent = `Nothing matches “${search.value}”.`;
  }
  // While the pointer is on a row, figures change and rows stay; scrolling brings other rows all the same.
  if (held && drawn === topic && body.childElementCount > 2) update(view);
  else draw(view);
}

function gap(rows) {
  const tr = document.createElement("tr");
  tr.className = "gap";
  const td = document.createElement("td");
  td.colSpan = 12;
  td.style.height = rows * height() + "px";
  tr.append(td);
  tr.hidden = rows === 0;
  return tr;
}

// middle cuts a long name in its middle.
function middle(name, most) {
  const letters = [...name];
  if (letters.length <= most) return name;
  const head = Math.floor((most * 2) / 3);
  return letters.slice(0, head).join("") + "…" + letters.slice(letters.length - (most - head - 1)).join("");
}

function line(row, place) {
  const tr = document.createElement("tr");
  tr.dataset.name = row.other ? "\u0000" : row.name;
  tr.setAttribute("aria-rowindex", place + 1);
  const th = document.createElement("th");
  th.scope = "row";
  if (row.other || !row.name) {
    const words = document.createElement("i");
    words.textContent = row.other ? "all others" : "chosen by the system";
    th.append(words);
  } else {
    const link = document.createElement("a");
    link.href = `/${of}/${encodeURIComponent(row.name)}`;
    link.title = row.name;
    link.textContent = middle(row.name, 34);
    th.append(link);
  }
  if (row.label) {
    const label = document.createElement("small");
    label.textContent = " " + row.label;
    th.append(label);
  }
  tr.append(th);
  if (withStatus) tr.append(document.createElement("td"));
  for (const _ of row.values) {
    const td = document.createElement("td");
    td.className = "n";
    tr.append(td);
  }
  fill(tr, row);
  return tr;
}

function fill(tr, row) {
  const cells = tr.querySelectorAll("td");
  let i = 0;
  if (withStatus) {
    const cell = cells[i++];
    const word = kinds[row.status] || row.status || "";
    if (cell.textContent !== word) {
      const mark = document.createElement("span");
      mark.className = "kind k-" + row.status;
      mark.textContent = word;
      cell.replaceChildren(...(word ? [mark] : []));
    }
    cell.title = row.why || "";
  }
  for (const value of row.values) {
    const text = number.format(value);
    if (cells[i].textContent !== text) cells[i].textContent = text;
    i++;
  }
}

function draw(view) {
  drawn = topic;
  const focused = document.activeElement?.closest?.("tr")?.dataset.name;
  const rows = view.rows.map((row, i) => line(row, view.from + i));
  body.replaceChildren(gap(view.from), ...rows, gap(Math.max(0, view.total - view.from - view.rows.length)));
  if (focused !== undefined) body.querySelector(`tr[data-name="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
}

// update changes figures and leaves every row where it is.
function update(view) {
  const known = new Map(view.rows.map((row) => [row.other ? "\u0000" : row.name, row]));
  for (const tr of body.children) {
    const row = known.get(tr.dataset.name);
    if (row) fill(tr, row);
  }
}

function hold(on) {
  held = on;
  still.hidden = !on;
  if (!on && latest) draw(latest);
}
body.addEventListener("pointerenter", () => hold(true));
body.addEventListener("pointerleave", () => hold(false));

let waiting = 0;
box.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = requestAnimationFrame(() => {
    waiting = 0;
    watch();
  });
}, { passive: true });
window.addEventListener("resize", watch);

function remember() {
  const query = new URLSearchParams({ sort });
  if (search.value) query.set("q", search.value);
  history.replaceState(null, "", "?" + query);
  query.set("format", "csv");
  panel.querySelector("[data-export]").href = "?" + query;
}

panel.querySelector("thead").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sort]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const key = link.dataset.sort;
  if (sort === "-" + key) sort = key;
  else if (sort === key) sort = "-" + key;
  else sort = key === "name" ? key : "-" + key;
  for (const other of panel.querySelectorAll("thead a[data-sort]")) {
    const own = other.dataset.sort;
    other.closest("th").setAttribute("aria-sort", sort === own ? "ascending" : sort === "-" + own ? "descending" : "none");
  }
  restart();
});

search.addEventListener("input", restart);
search.form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search.value = ""; restart(); search.blur(); }
  if (event.key === "ArrowDown" || event.key === "Enter") body.querySelector("a")?.focus();
});

// Arrow keys walk through the rows.
body.addEventListener("keydown", (event) => {
  const tr = event.target.closest("tr");
  if (!tr || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
  let next = tr;
  do next = event.key === "ArrowDown" ? next.nextElementSibling : next.previousElementSibling; while (next && !next.querySelector("a"));
  if (next) { event.preventDefault(); next.querySelector("a").focus(); }
});

function restart() {
  box.scrollTop = 0;
  held = false;
  latest = null;
  topic = "";
  remember();
  watch();
}

watch();
