// Tables on narrow screens. Where a row becomes a card, each of its cells needs the head of its column; where a table is
// wider than its place, that is said.

import { offers } from "./copy.js";

const cards = matchMedia("(max-width: 600px)");

function label(table) {
  const heads = [...(table.tHead?.rows[0]?.cells || [])].map((head) => head.querySelector(".unseen, .hidden-word") ? "" : head.textContent.trim());
  for (const body of table.tBodies) {
    for (const row of body.rows) {
      for (const cell of row.cells) {
        const head = heads[cell.cellIndex];
        if (head && cell.tagName === "TD" && cell.colSpan === 1 && row.cells.length > 1) cell.dataset.label = head;
      }
    }
  }
}

const width = new ResizeObserver((changes) => { for (const { target } of changes) tell(target.closest(".scroll")); });

// tell says whether there is more to the right.
function tell(box) {
  const more = box.scrollWidth - box.clientWidth;
  box.toggleAttribute("data-wide", more > 1);
  box.toggleAttribute("data-more", more - box.scrollLeft > 1);
}

const watched = new WeakSet();

function arrange() {
  offers(document.querySelector("main"));
  for (const box of document.querySelectorAll("main .scroll")) {
    const table = box.querySelector("table");
    if (!table) continue;
    if (cards.matches) label(table);
    if (watched.has(table)) continue;
    watched.add(table);
    width.observe(box);
    width.observe(table);
    box.addEventListener("scroll", () => tell(box), { passive: true });
  }
}

// Rows come and go with live data: what is new is arranged before it is painted.
export function tables() {
  const main = document.querySelector("main");
  arrange();
  new MutationObserver(arrange).observe(main, { childList: true, subtree: true });
  cards.addEventListener("change", arrange);
}
