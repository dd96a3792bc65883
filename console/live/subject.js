// The page of one domain, address or tag.

import { follow } from "./live.js";
import { start } from "./graph.js";
import { kinds } from "./kinds.js";
import { times } from "./times.js";

const part = document.querySelector("[data-page=subject]");
start(part.dataset.filter);

// What is known about the way there is drawn by the server, whenever it has changed.
const box = document.getElementById("why");
let last = null;
let busy = false;
follow("why" + part.dataset.filter, async (why) => {
  if (!why) return;
  const sentence = document.getElementById("sentence");
  sentence.querySelector("span:last-child").textContent = why.sentence;
  const kind = sentence.querySelector(".kind");
  kind.className = "kind k-" + why.kind;
  kind.textContent = kinds[why.kind] || why.kind;
  const text = JSON.stringify([why.limits, why.floods, why.paths, why.hosts, why.answers]);
  if (!box || text === last || busy || box.matches(":hover") || box.contains(document.activeElement)) return;
  const first = last === null;
  last = text;
  if (first) return;
  busy = true;
  try {
    const answer = await fetch(location.pathname + "/why", { redirect: "manual" });
    if (answer.ok) {
      box.innerHTML = await answer.text();
      times(box);
    }
  } catch {
    last = null; // the live mark tells that the server is away
  } finally {
    busy = false;
  }
});
