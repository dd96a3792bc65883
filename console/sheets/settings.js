// The pages of settings while somebody types: patterns are tried, what will change is told, times are shown in the viewer's
// zone. Everything works without this module, too, with one click more.

const form = document.getElementById("row");
if (form) {
  const ask = async (part) => {
    const body = new URLSearchParams(new FormData(form));
    body.set("part", part);
    body.delete("csrf");
    const answer = await fetch(form.dataset.part, { method: "POST", body, headers: { "X-CSRF-Token": document.body.dataset.csrf } });
    return answer.ok ? answer.text() : "";
  };

  // later calls a function once its caller has been quiet for a moment; answers that come late are dropped.
  const later = (part, place, wanted) => {
    let timer = 0;
    let last = 0;
    return () => {
      clearTimeout(timer);
      if (!wanted()) return;
      timer = setTimeout(async () => {
        const mine = ++last;
        const html = await ask(part).catch(() => "");
        if (mine !== last || !html) return;
        const made = document.createElement("template");
        made.innerHTML = html; // the server's own template, escaped there
        place.replaceChildren(made.content);
      }, 200);
    };
  };

  const tries = form.querySelector("[data-tried]");
  if (tries) {
    const text = document.getElementById("try");
    const run = later("try", tries, () => text.value.trim() !== "");
    form.addEventListener("input", () => { if (text.value.trim() === "") tries.replaceChildren(); run(); });
  }

  const touch = form.querySelector("[data-touches]");
  if (touch) {
    const run = later("touch", touch, () => true);
    form.addEventListener("input", run);
    form.addEventListener("change", run);
  }
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const field of document.querySelectorAll("[data-time]")) {
  const note = document.createElement("small");
  note.className = "local-time";
  field.closest(".field")?.append(note);
  const show = () => {
    const at = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?$/.test(field.value.trim()) ? new Date(field.value.trim().replace(" ", "T") + "Z") : null;
    note.textContent = at && !isNaN(at) ? `${exact.format(at)} where you are` : "";
  };
  field.addEventListener("input", show);
  show();
}
