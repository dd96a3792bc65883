// The overview: the graph, and what holds mail back.

import { follow } from "./live.js";
import { start } from "./graph.js";
import { element } from "./times.js";
import { kinds } from "./kinds.js";

const number = new Intl.NumberFormat("en-US");
const filter = document.body.dataset.filter || "";
const box = document.getElementById("attention");
start(filter);

function cell(tag, text, kind) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(text);
  return made;
}

// next is the time of the next attempt: what is past, or very near, is "now".
function next(time) {
  if (!time) return "–";
  return new Date(time) - Date.now() < 1000 ? "now" : element(time);
}

function row(trouble) {
  const tr = document.createElement("tr");
  const link = document.createElement("a");
  link.href = trouble.link;
  link.title = trouble.name;
  link.textContent = trouble.name.length > 32 ? trouble.name.slice(0, 21) + "…" + trouble.name.slice(-10) : trouble.name;
  const name = cell("th", link);
  name.scope = "row";
  const why = cell("td", cell("span", kinds[trouble.kind] || trouble.kind, "kind k-" + trouble.kind));
  why.append(" " + trouble.why);
  tr.append(name, why, cell("td", number.format(trouble.waiting) + (trouble.parked ? "+" : ""), "n"), cell("td", next(trouble.next), "n"));
  return tr;
}

follow("attention" + filter, (held) => {
  if (!held) return;
  for (const mark of document.querySelectorAll("[data-held]")) mark.textContent = number.format(held[mark.dataset.held]);
  if (box.matches(":hover") && box.querySelector("tbody tr") && held.list.length) return; // stays still while it is read
  box.querySelector("tbody").replaceChildren(...held.list.map(row));
  box.querySelector("table").hidden = held.list.length === 0;
  box.querySelector(".empty").hidden = held.list.length > 0;
  box.querySelector(".more").hidden = held.more === 0;
  box.querySelector(".more b").textContent = number.format(held.more);
});
