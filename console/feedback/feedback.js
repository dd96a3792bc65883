// The reports: the server draws the list again whenever there is another one, unless somebody is at work in it or looks
// at older ones.

import { follow } from "./live.js";
import { times } from "./times.js";

const box = document.getElementById("feedback");
let last = Number(box.dataset.total); // when the page was made
let busy = false;

follow("feedback", async (total) => {
  const query = new URLSearchParams(location.search);
  if (total === last || busy || query.has("cursor") || box.contains(document.activeElement) && document.activeElement.matches("button, a")) return;
  busy = true;
  try {
    const answer = await fetch("/feedback/part" + location.search, { redirect: "manual" });
    if (answer.ok) {
      box.innerHTML = await answer.text();
      times(box);
      last = total;
    }
  } catch {
    // the live mark tells that the server is away
  } finally {
    busy = false;
  }
});
