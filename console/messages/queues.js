// The queues: figures and rows as they change.

import { follow } from "./live.js";

const number = new Intl.NumberFormat("en-US");
const box = document.querySelector("[data-page=queues]");
const table = box.querySelector("table.queues");
const svg = "http://www.w3.org/2000/svg";

function cell(tag, text, kind) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(text);
  return made;
}

function bytes(n) {
  if (!n) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  const at = n < 1000 ? 0 : Math.min(Math.floor(Math.log10(n) / 3), 5);
  const value = n / 1000 ** at;
  return `${at && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

function growth(n) {
  const span = document.createElement("span");
  const size = Math.abs(n);
  const digits = size < 10 ? size.toFixed(1) : number.format(Math.round(size));
  span.append(size < 0.05 ? "0" : (n > 0 ? "+" : "−") + digits, " ");
  span.append(cell("small", "/s"));
  return span;
}

function trend(points) {
  const picture = document.createElementNS(svg, "svg");
  picture.setAttribute("class", "trend");
  picture.setAttribute("viewBox", "0 0 60 16");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg, "polyline");
  line.setAttribute("points", points);
  picture.append(line);
  return picture;
}

function heading(link, text, title) {
  const a = document.createElement("a");
  a.href = link;
  a.textContent = text;
  a.title = title || "";
  const th = cell("th", a);
  th.scope = "row";
  return th;
}

function row(q) {
  const tr = document.createElement("tr");
  const name = heading(q.address, q.queue);
  if (q.inbox) name.append(" ", cell("small", "injected mail goes here"));
  if (q.unknown) {
    tr.append(name, ...Array.from({ length: 9 }, (_, at) => cell("td", at === 6 ? "" : "–", "n")));
    return tr;
  }
  const all = q.ready + q.delayed + q.parked + q.out;
  tr.append(name, ...[q.ready, q.delayed, q.parked, q.out].map((n) => cell("td", number.format(n), "n")), cell("td", cell("b", number.format(all)), "n"),
    cell("td", growth(q.change), "n"), cell("td", trend(q.trend)), cell("td", bytes(q.bytes), "n"), cell("td", q.consumers < 0 ? "–" : number.format(q.consumers), "n"));
  return tr;
}

function put(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  body.replaceChildren(...rows);
  if (focused) body.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

follow("queues", (news) => {
  if (!news) return;
  for (const one of news.counters) {
    const mark = box.querySelector(`[data-counter="${one.Key}"]`);
    if (mark) mark.textContent = number.format(one.Value);
  }
  if (news.problem) {
    let banner = document.getElementById("problem");
    if (!banner) {
      banner = cell("p", "", "banner warn");
      banner.id = "problem";
      banner.setAttribute("role", "alert");
      box.prepend(banner);
    }
    if (!banner.textContent.startsWith(news.problem)) banner.textContent = news.problem;
  } else document.getElementById("problem")?.remove();
  put(table.tBodies[0], news.queues.map(row));
  table.hidden = news.queues.length === 0;
  table.closest("section").querySelector(".empty").hidden = news.queues.length > 0;
  const aside = document.getElementById("aside");
  aside.hidden = news.aside.length === 0;
  put(aside.querySelector("tbody"), news.aside.map((a) => {
    const tr = document.createElement("tr");
    tr.append(heading(a.address, a.what.length > 60 ? a.what.slice(0, 59) + "…" : a.what, a.what), cell("td", a.queue), cell("td", number.format(a.messages), "n"));
    return tr;
  }));
  aside.querySelector(".more").hidden = news.more === 0;
  aside.querySelector(".more b").textContent = number.format(news.more);
});
