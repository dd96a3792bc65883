// The graph of the last minute, its counters and the gauges: overview and the pages of one domain, address or tag.

import { follow } from "./live.js";

const number = new Intl.NumberFormat("en-US");
const counters = document.getElementById("counters");
const graph = document.getElementById("graph");
const svg = graph.querySelector("svg");
const readout = graph.querySelector(".readout");
const cursor = graph.querySelector(".cursor");
let figures = null;
let pointed = -1;

const hidden = () => new Set([...counters.querySelectorAll(".counter.off")].map((box) => box.dataset.key));

function scale(highest) {
  for (let unit = 1; ; unit *= 10) for (const n of [4, 8, 12, 20, 40]) if (n * unit >= highest) return n * unit;
}

function draw() {
  if (!figures) return;
  const off = hidden();
  let highest = 0;
  for (const [key, line] of Object.entries(figures.series)) if (!off.has(key)) highest = Math.max(highest, ...line);
  const top = scale(highest);
  for (const line of svg.querySelectorAll("polyline")) {
    const series = figures.series[line.dataset.key];
    line.classList.toggle("off", off.has(line.dataset.key));
    if (series) line.setAttribute("points", series.map((v, i) => `${i},${(100 - (100 * v) / top).toFixed(1)}`).join(" "));
  }
  [...graph.querySelectorAll(".ys span")].forEach((span, i) => { span.textContent = number.format((top * (4 - i)) / 4); });
  for (const box of counters.querySelectorAll(".counter")) box.querySelector("b").textContent = number.format(figures.sum[box.dataset.key] || 0);
  point(pointed);
}

function gauges() {
  for (const gauge of figures.gauges || []) {
    const box = document.querySelector(`[data-gauge="${CSS.escape(gauge.name)}"]`);
    if (!box) continue;
    const width = gauge.value > 0 && gauge.limit ? Math.min(100, 1 + (gauge.value * 99) / gauge.limit) : 0;
    box.querySelector(".fill")?.setAttribute("width", Math.floor(width));
    const value = box.querySelector("b");
    value.title = gauge.unknown || "";
    value.textContent = gauge.unknown ? "–" : number.format(gauge.value) + (gauge.limit ? " / " + number.format(gauge.limit) : "");
  }
}

// A click on a counter hides or shows its line; the address remembers it.
counters.addEventListener("submit", (event) => {
  event.preventDefault();
  const box = event.submitter.closest(".counter");
  const off = box.classList.toggle("off");
  event.submitter.setAttribute("aria-pressed", String(!off));
  const query = new URLSearchParams(location.search);
  query.set("hide", [...hidden()].join(",") || "none");
  history.replaceState(null, "", "?" + query);
  draw();
});

// The pointer reads the values of a second.
function point(second) {
  pointed = second;
  readout.hidden = second < 0 || !figures;
  cursor.toggleAttribute("hidden", readout.hidden);
  if (readout.hidden) return;
  cursor.setAttribute("d", `M${second} 0V100`);
  const off = hidden();
  readout.replaceChildren();
  const time = document.createElement("b");
  time.textContent = `${60 - second} s ago`;
  readout.append(time);
  for (const box of counters.querySelectorAll(".counter")) {
    if (off.has(box.dataset.key)) continue;
    readout.append(` ${box.querySelector(".name").textContent} ${number.format(figures.series[box.dataset.key]?.[second] || 0)} `);
  }
}
svg.addEventListener("pointermove", (event) => {
  const box = svg.getBoundingClientRect();
  point(Math.max(0, Math.min(59, Math.round(((event.clientX - box.left) / box.width) * 59))));
});
svg.addEventListener("pointerleave", () => point(-1));

export function start(filter) {
  follow("figures" + filter, (news) => {
    if (!news) return;
    figures = news;
    draw();
    gauges();
  });
}
