// The log: what happens now, as it is logged. Pausing keeps what is on the screen and asks for nothing meanwhile.

import { follow } from "./live.js";
import { element } from "./times.js";

const number = new Intl.NumberFormat("en-US");
const box = document.querySelector("[data-page=logs]");
const form = box.querySelector(".filters");
const panel = document.getElementById("follow");
const most = 300; // rows that are kept
const marks = { received: "received", delivered: "delivered", deferred: "deferred", failed: "failed" };
let stop = null;
let shown = 0;
let lost = 0;

form.addEventListener("submit", () => {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });

function cut(text, length) {
  return text.length > length ? text.slice(0, Math.floor(length * 2 / 3)) + "…" + text.slice(-Math.floor(length / 3) + 1) : text;
}

function cell(tag, text, title, kind) {
  const made = document.createElement(tag);
  made.append(text);
  if (title) made.title = title;
  if (kind) made.className = kind;
  return made;
}

function mark(line) {
  const span = cell("span", line.words, "", "kind k-" + (marks[line.kind] || "out"));
  return span;
}

function code(n) {
  return n ? cell("span", String(n), "", "code " + (n >= 500 ? "bad" : n >= 400 ? "warn" : "")) : "–";
}

function said(line) {
  const made = cell("td", "", line.said, "said");
  if (line.class) made.append(cell("small", line.class, line.means), " ");
  made.append(cut(line.said, 90));
  return made;
}

function row(line) {
  const tr = document.createElement("tr");
  const open = cell("button", element(line.time, true), "the whole record", "plain");
  open.type = "button";
  open.setAttribute("aria-expanded", "false");
  open.dataset.record = line.record || "";
  const time = cell("th", open);
  time.scope = "row";
  time.className = "record-time";
  let to = cut(line.to, 40);
  if (line.message) {
    to = cell("a", to);
    to.href = line.message;
  }
  tr.append(time, cell("td", mark(line)), cell("td", to, line.to, "address"), cell("td", cut(line.from, 30), line.from, "address"), cell("td", code(line.code), "", "n"),
    said(line), cell("td", cut(line.way, 48), line.way, "address"));
  return tr;
}

function show(piece, error) {
  const note = panel.querySelector("[data-note]");
  if (error) {
    note.textContent = error;
    return;
  }
  if (!piece) return;
  const body = panel.querySelector("tbody");
  if (piece.lost) {
    lost += piece.lost;
    const told = cell("td", `${number.format(piece.lost)} more came faster than they can be shown`);
    told.colSpan = 7;
    const tr = cell("tr", told, "", "lost");
    body.prepend(tr);
  }
  body.prepend(...piece.lines.map(row).reverse());
  while (body.rows.length > most) body.rows[body.rows.length - 1].remove();
  shown += piece.lines.length;
  if (shown) note.textContent = "The newest on top; the time opens the whole record.";
  count();
}

function count() {
  panel.querySelector("[data-shown]").textContent = number.format(shown);
  const mark = panel.querySelector("[data-lost]");
  mark.hidden = lost === 0;
  mark.textContent = `, ${number.format(lost)} left out because they came too fast`;
}

function start() {
  panel.hidden = false;
  if (!stop) stop = follow(box.dataset.stream, show);
  const button = panel.querySelector("[data-do=pause]");
  button.textContent = "Pause";
}

function end() {
  stop?.();
  stop = null;
}

const actions = {
  follow: start,
  pause(button) {
    if (stop) {
      end();
      button.textContent = "Go on";
      panel.querySelector("[data-note]").textContent = "Paused: what happens meanwhile is not shown, but it is in the log.";
    } else start();
  },
  clear() {
    panel.querySelector("tbody").replaceChildren();
    shown = 0;
    lost = 0;
    count();
  },
  stop() {
    end();
    panel.hidden = true;
    box.querySelector("[data-do=follow]")?.focus();
  },
};

box.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.do) actions[button.dataset.do](button);
  if (button?.dataset.record !== undefined) {
    const tr = button.closest("tr");
    const open = tr.nextElementSibling?.classList.contains("whole");
    button.setAttribute("aria-expanded", String(!open));
    if (open) tr.nextElementSibling.remove();
    else {
      const td = cell("td", cell("pre", button.dataset.record, "", "json"));
      td.colSpan = 7;
      tr.after(cell("tr", td, "", "whole"));
    }
  }
});

if (panel && box.dataset.live) start();
