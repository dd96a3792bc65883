// The services: the server draws the tables again whenever a state has changed, unless somebody is at work in them.

import { follow } from "./live.js";
import { times } from "./times.js";

const box = document.getElementById("services");
let last = null;
let busy = false;

follow("services", async (all) => {
  const text = JSON.stringify(all);
  if (last === null) last = text;
  if (text === last || busy || box.querySelector("details[open]") || box.contains(document.activeElement) && document.activeElement.matches("button, summary")) return;
  busy = true;
  try {
    const answer = await fetch("/services/part", { redirect: "manual" });
    if (answer.ok) {
      box.innerHTML = await answer.text();
      times(box);
      last = text;
    }
  } catch {
    // the live mark tells that the server is away
  } finally {
    busy = false;
  }
});
