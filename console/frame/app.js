// What every page does: live data, times in the viewer's zone, the switch of colours, the drawer, keys. Each kind of page
// has a module of its own, which is loaded when the page asks for it with data-page.

import { connect, follow } from "./live.js";
import { tables } from "./tables.js";
import { times } from "./times.js";

document.documentElement.classList.add("js");
times(document);
tables();

const count = new Intl.NumberFormat("en-US");

// The shell: counts beside the side bar's entries, the pill, what is wrong with the server.
const filter = document.body.dataset.filter;
if (document.getElementById("live")) {
  const topic = "shell" + (filter === undefined ? "" : (filter ? filter + "&" : "?") + "filtered=1");
  follow(topic, showShell);
  connect();
}

function showShell(news) {
  for (const mark of document.querySelectorAll("[data-count]")) {
    const n = news.counts[mark.dataset.count.split("?")[0]] || 0;
    mark.hidden = n === 0;
    mark.textContent = count.format(n);
  }
  const pill = document.getElementById("pill");
  if (pill && news.pill && pill.dataset.state !== news.pill.state && !pill.open) {
    pill.className = "pill " + news.pill.state;
    pill.dataset.state = news.pill.state;
    pill.querySelector(".word").textContent = news.pill.word;
    pill.querySelector("summary").title = news.pill.why;
    pill.dataset.changed = "yes"; // its form is that of the state before: opening it loads the page again
  }
  const box = document.getElementById("troubles");
  const text = (news.troubles || []).join("\n");
  if (box && box.dataset.text !== text) {
    box.dataset.text = text;
    box.replaceChildren(...(news.troubles || []).map((trouble) => {
      const p = document.createElement("p");
      p.className = "banner bad";
      p.setAttribute("role", "alert");
      p.textContent = trouble;
      return p;
    }));
  }
}

document.getElementById("pill")?.addEventListener("toggle", (event) => {
  if (event.target.open && event.target.dataset.changed) location.reload();
});

// Filters apply as soon as they are chosen; empty ones are left out of the address.
const bar = document.getElementById("filter");
if (bar) {
  const apply = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(bar)) if (value) query.set(name, value);
    const text = query.toString();
    location.href = location.pathname + (text ? "?" + text : "");
  };
  bar.addEventListener("change", apply);
  bar.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
}

// Colours change at once; the server remembers them for the next page.
document.querySelector(".themes")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const theme = event.submitter.value;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of event.target.querySelectorAll("button")) {
    if (button === event.submitter) button.setAttribute("aria-pressed", "true");
    else button.removeAttribute("aria-pressed");
  }
  fetch("/theme", { method: "POST", body: new URLSearchParams({ theme }), redirect: "manual" });
});

// Groups of the side bar stay as they were left, but for that of this page.
for (const group of document.querySelectorAll(".side details")) {
  const key = "group " + group.dataset.group;
  const kept = localStorage.getItem(key);
  if (kept && !group.querySelector("[aria-current]")) group.open = kept === "open";
  group.querySelector("summary").addEventListener("click", () => localStorage.setItem(key, group.open ? "folded" : "open"));
}

// The drawer of narrow screens.
const side = document.getElementById("side");
document.querySelector(".menu")?.addEventListener("click", (event) => {
  event.preventDefault();
  side.classList.toggle("open");
  if (side.classList.contains("open")) side.querySelector("a").focus();
});
document.addEventListener("click", (event) => {
  if (side?.classList.contains("open") && !side.contains(event.target) && !event.target.closest(".menu")) side.classList.remove("open");
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    side?.classList.remove("open");
    for (const open of document.querySelectorAll("details.pill[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});

const modules = new Set([...document.querySelectorAll("[data-page]")].map((part) => part.dataset.page));
for (const name of modules) import(`./${name}.js`);
