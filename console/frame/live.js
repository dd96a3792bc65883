// The web socket of this page. follow(topic, show) calls show with each value of a topic and returns a function that ends
// that; the topic may change with follow's replace. When the connection is lost it is made again, later and later, and the
// mark on top says since when the figures are old.

import { changed } from "./forms.js";

const followed = new Map(); // topic -> set of functions
let socket = null;
let attempts = 0;
let heard = Date.now();
let opened = false; // there was a connection
let asking = false;
let retry = 0;

export function follow(topic, show) {
  if (!followed.has(topic)) followed.set(topic, new Set());
  followed.get(topic).add(show);
  ask();
  return () => {
    followed.get(topic)?.delete(show);
    if (followed.get(topic)?.size === 0) followed.delete(topic);
    ask();
  };
}

// ask tells the server what this page watches, once for all changes of the moment.
function ask() {
  if (asking) return;
  asking = true;
  queueMicrotask(() => {
    asking = false;
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: [...followed.keys()] }));
  });
}

export function connect() {
  clearTimeout(retry);
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/live");
  socket.onopen = () => { attempts = 0; opened = true; heard = Date.now(); ask(); mark(); };
  socket.onmessage = (event) => {
    heard = Date.now();
    const message = JSON.parse(event.data);
    if (message.topic === "alive") return;
    for (const show of followed.get(message.topic) || []) show(message.data, message.error);
  };
  socket.onclose = (event) => {
    socket = null;
    if (event.code === 4401) {
      loggedOut();
      return;
    }
    attempts++;
    const wait = Math.min(30000, 500 * 2 ** Math.min(attempts, 6)) * (0.5 + Math.random() / 2);
    retry = setTimeout(again, wait);
    mark();
  };
}

// again looks whether the session goes on before it connects: a refused web socket does not say why.
async function again() {
  try {
    const answer = await fetch("/session", { redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      loggedOut();
      return;
    }
    if (ended) await goOn();
  } catch {
    // the server is away: connect fails as well, and is tried again
  }
  connect();
}

// The session has ended. A form that somebody has typed into stays: he logs in elsewhere, and goes on here.
let ended = null;

function loggedOut() {
  const to = "/login?why=ended&next=" + encodeURIComponent(location.pathname + location.search);
  if (changed().length === 0) {
    location.href = to;
    return;
  }
  if (!ended) {
    ended = document.createElement("p");
    ended.className = "banner warn";
    ended.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = "/login?why=ended";
    link.target = "_blank";
    link.textContent = "Log in in another tab";
    ended.append("Your session has ended. What you typed is still here: ", link, ", then save it.");
    document.getElementById("troubles").after(ended);
  }
  mark();
  clearTimeout(retry);
  retry = setTimeout(again, 2000);
}

// goOn gives the forms of this page the token of the new session.
async function goOn() {
  const answer = await fetch(location.href, { redirect: "error", cache: "no-store" });
  const token = new DOMParser().parseFromString(await answer.text(), "text/html").body.dataset.csrf;
  if (!token) return;
  document.body.dataset.csrf = token;
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
  ended.remove();
  ended = null;
}

// A page that comes back to the front does not wait for its turn.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !socket) { clearTimeout(retry); again(); }
});

// Use of the page keeps the session going, once a minute at most.
let used = Date.now();
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => {
    if (Date.now() - used > 60000 && socket?.readyState === WebSocket.OPEN) {
      used = Date.now();
      socket.send('{"active":true}');
    }
  }, { passive: true });
}

function mark() {
  const live = document.getElementById("live");
  if (!live) return;
  const silent = (Date.now() - heard) / 1000;
  const fresh = socket?.readyState === WebSocket.OPEN && silent < 12;
  const begins = !opened && silent < 3;
  const state = fresh ? "on" : begins ? "off" : "stale";
  const word = fresh ? "live" : begins ? "connecting" : `stale since ${Math.round(silent)} s`;
  if (live.dataset.state !== state) live.dataset.state = state;
  const text = live.querySelector(".word");
  if (text.textContent !== word) text.textContent = word;
}

setInterval(mark, 1000);
