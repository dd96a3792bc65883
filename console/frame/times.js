// Times in the viewer's zone. What is near is told relative to now; the exact time in UTC stands in the title.

const exact = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function relative(date, now = Date.now()) {
  const seconds = (date.getTime() - now) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  if (Math.abs(seconds) > 86400) return exact.format(date);
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

const clock = new Intl.DateTimeFormat("sv", { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const today = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// timeOfDay tells times of one list apart; the day stands before it unless that is today.
function timeOfDay(date) {
  return (date.toDateString() === new Date().toDateString() ? today : clock).format(date);
}

export function times(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    const text = time.dataset.exact === undefined ? relative(date) : timeOfDay(date);
    if (time.textContent !== text) time.textContent = text;
  }
}

// element makes what the server's templates make for a time.
export function element(text, exactly = false) {
  const time = document.createElement("time");
  const date = new Date(text);
  time.dateTime = text;
  time.title = `${date.toISOString().replace("T", " ").slice(0, 19)} UTC · ${exact.format(date)} here`;
  if (exactly) time.dataset.exact = "";
  time.textContent = exactly ? timeOfDay(date) : relative(date);
  return time;
}

setInterval(() => times(document), 1000);
