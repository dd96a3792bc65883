// Buttons that copy, beside what is to be typed elsewhere (data-copy), and export of the tables that the server does not
// export itself. Neither is there without scripts.

// copied puts a text on the clipboard; where the browser has none for this page, as without TLS, by the old way.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

function button(words, name) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "plain";
  made.textContent = words;
  made.setAttribute("aria-label", name);
  return made;
}

function offerCopy(code) {
  const words = code.dataset.copy || "it";
  const made = button("Copy", `Copy ${words}`);
  made.addEventListener("click", async () => {
    made.textContent = (await copied(code.textContent)) ? "Copied" : "Select it and copy";
    made.focus();
    setTimeout(() => { made.textContent = "Copy"; }, 2000);
  });
  code.after(" ", made);
}

// safe keeps spreadsheets from taking a text for a formula, and quotes what has commas.
function safe(text) {
  const harmless = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function said(cell) {
  const field = cell.querySelector("input:not([type=hidden]), select");
  if (field) return field.type === "checkbox" ? String(field.checked) : field.value;
  const time = cell.querySelector("time");
  return time ? time.dateTime : cell.title || cell.querySelector("[title]")?.title || cell.textContent.trim().replace(/\s+/g, " ");
}

function offerExport(box, header) {
  const name = box.getAttribute("aria-label") || "table";
  const made = button("CSV", `CSV of ${name}`);
  made.addEventListener("click", () => {
    const all = box.querySelector("table");
    const heads = [...(all.tHead?.rows[0]?.cells || [])];
    const wanted = (cell) => !heads[cell.cellIndex]?.querySelector(".unseen, .hidden-word");
    const lines = [...all.rows].filter((row) => row.cells.length > 1)
      .map((row) => [...row.cells].filter(wanted).map((cell) => safe(said(cell))).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = name.toLowerCase().replace(/[^a-z0-9]+/g, "-") + ".csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  header.append(made);
}

// offers adds the buttons that a part of a page lacks.
export function offers(root) {
  for (const code of root.querySelectorAll("[data-copy]:not([data-offered])")) {
    code.dataset.offered = "";
    offerCopy(code);
  }
  for (const box of root.querySelectorAll(".panel > .scroll:not([data-offered])")) {
    box.dataset.offered = "";
    const header = box.closest(".panel").querySelector(":scope > header");
    if (header && box.querySelector("thead") && !box.closest(".panel").querySelector("a[download]")) offerExport(box, header);
  }
}
