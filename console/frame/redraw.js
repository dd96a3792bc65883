// redraw draws a part of the page again, as the server makes it, whenever a topic has another number than the one that the
// part was made with (data-total), unless somebody is at work in it or hold says that it stands still.

import { follow } from "./live.js";
import { times } from "./times.js";

export function redraw(box, topic, path, hold = () => false) {
  let last = Number(box.dataset.total);
  let busy = false;
  follow(topic, async (total) => {
    if (total === last || busy || hold() || box.contains(document.activeElement) && document.activeElement.matches("button, a")) return;
    busy = true;
    try {
      const answer = await fetch(path + location.search, { redirect: "manual" });
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
}
