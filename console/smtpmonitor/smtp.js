// The SMTP monitor: sessions on the left, what is said on the right. Everything is bounded: sessions, what is kept of each,
// and the lines that are drawn. While the view is paused, nothing is asked of the server, and what is on screen stays.

import { follow } from "./live.js";

const page = document.querySelector("[data-page=smtp]");
const list = document.getElementById("sessions");
const said = document.getElementById("said");
const quiet = document.getElementById("quiet");
const foot = document.getElementById("foot");
const whose = document.getElementById("whose");
const pause = document.getElementById("pause");
const keep = document.getElementById("mails");
const number = new Intl.NumberFormat("en-US");
const { query } = page.dataset;

const maxSessions = 200; // that are remembered, open or not
const maxEnded = 60; // of them, that have ended
const maxFlights = 300; // of a session
const maxShown = 400; // flights that are drawn

const sessions = new Map(); // by id: {id, in, local, remote, domain, since, open, flights}
let everything = []; // the last flights of all sessions
let chosen = 0; // session that is shown; 0: all
let open = 0; // sessions that match, on the server
let lost = 0;
let passed = 0;
let ends = [];
let extra = null; // ends the stream of the chosen session, when that is not followed otherwise
let extraOf = 0;

page.querySelector(".acts").hidden = false;

function topic(id) {
  const q = new URLSearchParams(query);
  if (keep.checked) q.set("mails", "1");
  if (id) q.set("id", id);
  const text = q.toString();
  return "smtp" + (text ? "?" + text : "");
}

function start() {
  ends = [follow("smtp-sessions" + (query ? "?" + query : ""), listed), follow(topic(), heard)];
  lookCloser();
}

function stop() {
  for (const end of ends) end();
  ends = [];
  extra?.();
  extra = null;
  extraOf = 0;
}

// lookCloser follows the chosen session by itself, when the server passed it over as there are so many.
function lookCloser() {
  const s = sessions.get(chosen);
  const wanted = ends.length && s && s.open && !s.followed ? chosen : 0;
  if (wanted === extraOf) return;
  extra?.();
  extraOf = wanted;
  extra = wanted ? follow(topic(wanted), heard) : null;
}

function session(id, about) {
  let s = sessions.get(id);
  if (!s) {
    s = { id, open: true, flights: [], followed: false };
    sessions.set(id, s);
  }
  if (about) Object.assign(s, about);
  return s;
}

// listed takes the list of open sessions. With a text to look for, only sessions in which it came up are shown.
function listed(news) {
  if (!news) return;
  open = news.total;
  page.querySelector("[data-open]").textContent = number.format(open);
  if (!new URLSearchParams(query).has("address")) {
    const now = new Set(news.sessions.map((s) => s.id));
    for (const s of news.sessions.toReversed()) session(s.id, s);
    if (news.sessions.length === news.total) for (const s of sessions.values()) if (s.open && !now.has(s.id)) ended(s);
  }
  tidy();
  drawList();
}

function ended(s) {
  s.open = false;
  s.endedAt = Date.now();
}

function heard(piece, error) {
  if (error) {
    foot.textContent = error;
    foot.classList.add("bad");
    return;
  }
  passed += piece.passed || 0;
  const fresh = [];
  for (const f of piece.flights || []) {
    const s = session(f.id, f.session);
    s.followed = true;
    lost += f.lost || 0;
    if (f.mail && withMail(s, f)) continue;
    if (f.ended) ended(s);
    f.session = s;
    s.flights.push(f);
    if (s.flights.length > maxFlights) s.flights.splice(0, s.flights.length - maxFlights);
    everything.push(f);
    if (!chosen || chosen === f.id) fresh.push(f);
  }
  if (everything.length > maxShown) everything.splice(0, everything.length - maxShown);
  tidy();
  draw(fresh);
  drawList();
  status();
}

// withMail puts a mail that passed to the flight that has a word of it.
function withMail(s, f) {
  for (let i = s.flights.length - 1; i >= 0 && i >= s.flights.length - 3; i--) {
    const before = s.flights[i];
    if (before.us === f.us && !before.mail && before.lines?.some((line) => mailWord.test(line))) {
      before.mail = f.mail;
      before.element?.append(doors(f.mail));
      return true;
    }
  }
  return false;
}

const mailWord = /^[[(](?:a )?mail of \d+ bytes[\])]$/;

// tidy forgets sessions that ended long ago.
function tidy() {
  let over = [...sessions.values()].filter((s) => !s.open && s.id !== chosen);
  const most = Math.max(0, Math.min(maxEnded, maxSessions - (sessions.size - over.length)));
  over = over.slice(0, Math.max(0, over.length - most));
  for (const s of over) sessions.delete(s.id);
  if (sessions.size > 2 * maxSessions) {
    for (const s of [...sessions.values()].slice(0, sessions.size - 2 * maxSessions)) if (s.id !== chosen) sessions.delete(s.id);
  }
}

function element(name, kind, text) {
  const e = document.createElement(name);
  if (kind) e.className = kind;
  if (text !== undefined) e.textContent = text;
  return e;
}

const isolated = (text) => element("bdi", "", text);

// middle cuts a long name in its middle.
function middle(name, most) {
  const letters = [...(name || "")];
  if (letters.length <= most) return name || "";
  const head = Math.floor((most * 2) / 3);
  return letters.slice(0, head).join("") + "…" + letters.slice(letters.length - (most - head - 1)).join("");
}

function name(s) { return s.domain || s.remote || "session " + s.id; }

function span(ms) {
  if (ms < 10000) return (ms / 1000).toFixed(ms < 1000 ? 3 : 2) + " s";
  if (ms < 60000) return (ms / 1000).toFixed(1) + " s";
  return `${Math.floor(ms / 60000)} min ${Math.floor(ms / 1000) % 60} s`;
}

// The list. Entries stay the elements they are, so that focus stays where it is.
const entries = new Map();

function drawList() {
  const order = [...sessions.values()].reverse().sort((a, b) => b.open - a.open || b.id - a.id).slice(0, maxSessions);
  const wanted = [entryOfAll(), ...order.map(entry)];
  const shown = new Set(wanted);
  for (const [id, li] of entries) if (!shown.has(li)) { li.remove(); entries.delete(id); }
  if (list.firstElementChild && !list.firstElementChild.dataset.id) list.replaceChildren();
  const held = list.matches(":hover") && list.childElementCount > 1;
  if (held) { // nothing moves under the pointer: what is new waits at the end
    for (const li of wanted) if (!li.parentNode) list.append(li);
  } else {
    wanted.forEach((li, i) => { if (list.children[i] !== li) list.insertBefore(li, list.children[i] || null); });
  }
  page.querySelector(".sessions .empty").hidden = order.length > 0;
}

function entryOfAll() {
  let li = entries.get(0);
  if (!li) {
    li = item(0);
    li.firstChild.append(element("i", "way", "⇅"), element("b", "", "All sessions"), element("small", "", "in the order they speak"));
    entries.set(0, li);
  }
  return li;
}

function item(id) {
  const li = document.createElement("li");
  li.dataset.id = id;
  const button = element("button", "one");
  button.type = "button";
  button.setAttribute("aria-pressed", String(chosen === id));
  button.tabIndex = chosen === id ? 0 : -1;
  li.append(button);
  return li;
}

function entry(s) {
  let li = entries.get(s.id);
  if (!li) {
    li = item(s.id);
    const way = element("i", "way", s.in ? "↓" : "↑");
    way.setAttribute("aria-hidden", "true");
    const title = element("b", "", middle(name(s), 40));
    title.title = name(s);
    li.firstChild.append(way, title, element("small", "", s.in ? `in from ${s.remote} to ${s.local}` : `out to ${s.remote} from ${s.local}`), element("small", "age"));
    li.classList.add(s.in ? "came" : "went");
    entries.set(s.id, li);
  }
  const age = li.querySelector(".age");
  const text = s.open ? span2(Date.now() - Date.parse(s.since)) : "ended";
  if (age.textContent !== text) age.textContent = text;
  li.classList.toggle("ended", !s.open);
  return li;
}

function span2(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  return Math.floor(seconds / 3600) + " h";
}

function choose(id) {
  if (!sessions.has(id)) id = 0;
  chosen = id;
  for (const [other, li] of entries) {
    li.firstChild.setAttribute("aria-pressed", String(other === id));
    li.firstChild.tabIndex = other === id ? 0 : -1;
  }
  lookCloser();
  redraw();
}

list.addEventListener("click", (event) => {
  const li = event.target.closest("li[data-id]");
  if (li) choose(Number(li.dataset.id));
});

// Arrow keys walk through the list; what is reached is shown.
list.addEventListener("keydown", (event) => {
  const li = event.target.closest("li");
  const to = { ArrowDown: li?.nextElementSibling, ArrowUp: li?.previousElementSibling, Home: list.firstElementChild, End: list.lastElementChild }[event.key];
  if (!to) return;
  event.preventDefault();
  choose(Number(to.dataset.id));
  to.firstChild.focus();
});

// The dialogue.
function redraw() {
  const s = sessions.get(chosen);
  whose.textContent = s ? (s.in ? "Incoming session from " : "Outgoing session to ") + middle(s.domain ? `${s.domain} (${s.remote})` : s.remote, 70) : "All sessions";
  said.replaceChildren();
  said.classList.toggle("mixed", !s);
  before = 0;
  last = null;
  draw((s ? s.flights : everything).slice(-maxShown), true);
  status();
}

let before = 0; // session of the last line that was drawn
let last = null; // flight that was drawn last

function draw(flights, all) {
  const atEnd = all || said.scrollHeight - said.scrollTop - said.clientHeight < 60;
  const rows = document.createDocumentFragment();
  for (const f of flights) {
    if (f.lost) rows.append(element("li", "gap", `${number.format(f.lost)} ${f.lost === 1 ? "flight was" : "flights were"} lost here: this page, or the way to it, is too slow for all that is said`));
    if (!chosen && before !== f.id) rows.append(heading(f.session));
    before = f.id;
    rows.append(flightRow(f));
  }
  said.append(rows);
  while (said.childElementCount > maxShown) said.firstElementChild.remove();
  quiet.hidden = said.childElementCount > 0;
  if (!quiet.hidden) quiet.textContent = ends.length ? "Waiting for somebody to speak…" : "Paused.";
  if (atEnd) said.scrollTop = said.scrollHeight;
}

function heading(s) {
  const li = element("li", "who " + (s.in ? "came" : "went"));
  const button = element("button");
  button.append(element("i", "way", s.in ? "↓" : "↑"), " ", isolated(middle(name(s), 60)));
  button.type = "button";
  button.title = "Show only this session";
  button.addEventListener("click", () => { choose(s.id); entries.get(s.id)?.firstChild.focus(); });
  li.append(button);
  return li;
}

function flightRow(f) {
  const client = !!f.us !== f.session.in; // who asks; the other one answers
  const li = element("li", (f.us ? "us" : "them") + (client ? " asks" : " answers"));
  const at = "+" + span(f.at);
  const again = last && last.id === f.id && !last.us === !f.us && last.at === at;
  last = { id: f.id, us: f.us, at };
  li.append(element("span", "at", again ? "" : at), element("span", "speaker", f.ended || again ? "" : f.us ? "we" : "they"));
  if (f.ended) {
    li.className = "end";
    li.append(element("span", "words", "The session ended."));
    return li;
  }
  const words = element("span", "words");
  for (const text of f.lines || []) words.append(line(text, !client));
  if (f.cut) words.append(element("small", "", `… and ${number.format(f.cut)} bytes more`));
  li.append(words);
  f.element = words;
  if (f.mail) {
    if (!f.lines) words.append(element("span", "line", `(a mail of ${number.format(f.mail.size)} bytes)`));
    words.append(doors(f.mail));
  }
  return li;
}

function line(text, answer) {
  const span = element("span", "line");
  const code = answer && /^([245])\d\d(?=[ -]|$)/.exec(text);
  if (!code || code[1] === "2") {
    span.append(isolated(text));
    return span;
  }
  span.classList.add(code[1] === "5" ? "bad" : "warn");
  span.append(element("b", "", text.slice(0, 3)), isolated(text.slice(3)), element("em", "", code[1] === "5" ? "refused" : "not now"));
  return span;
}

// doors are the ways to look at a mail that passed.
function doors(mail) {
  const box = element("span", "doors");
  for (const [path, word] of [["rendered", "Rendered"], ["text", "Text"], ["source", "Source"], ["raw", "Download"]]) {
    const a = element("a", "", word);
    a.href = `${mail.path}/${path}`;
    if (path !== "raw") a.target = "_blank";
    a.rel = "noopener";
    box.append(a);
  }
  if (mail.cut) box.append(element("small", "", "its begin"));
  return box;
}

function status() {
  foot.classList.remove("bad");
  const parts = [];
  if (lost) parts.push(`${number.format(lost)} ${lost === 1 ? "flight" : "flights"} lost, because there is more than can be shown: filter`);
  if (passed) parts.push(`${number.format(passed)} ${passed === 1 ? "session" : "sessions"} not followed, as many others were: choose one, or filter`);
  if (!ends.length) parts.unshift("Paused: what is on screen stays, and what is said now is not shown");
  foot.textContent = parts.join(" · ");
}

pause.addEventListener("click", () => {
  if (ends.length) {
    stop();
    for (const s of sessions.values()) s.followed = false;
  } else {
    const gap = element("li", "gap", "The view was paused here");
    if (said.childElementCount) said.append(gap);
    before = 0;
    last = null;
    start();
  }
  pause.textContent = ends.length ? "Pause" : "Resume";
  pause.setAttribute("aria-pressed", String(!ends.length));
  page.classList.toggle("paused", !ends.length);
  status();
});

document.getElementById("clear").addEventListener("click", () => {
  everything = [];
  lost = 0;
  passed = 0;
  for (const [id, s] of sessions) {
    s.flights = [];
    if (!s.open && id !== chosen) sessions.delete(id);
  }
  said.replaceChildren();
  before = 0;
  last = null;
  draw([]);
  drawList();
  status();
});

keep.addEventListener("change", () => {
  if (!ends.length) return;
  stop();
  start();
});

setInterval(() => { if (ends.length) drawList(); }, 1000);

list.replaceChildren();
drawList();
redraw();
start();
draw([]);
