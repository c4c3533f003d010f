// Say when a moment is for who looks at the page: <div hidden><time datetime="..." data-local-time></time> ...</div>.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const format = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

for (const time of document.querySelectorAll("time[data-local-time]")) {
  const part = Object.fromEntries(format.formatToParts(new Date(time.dateTime)).map(({ type, value }) => [type, value]));
  const day = `${part.weekday} ${part.day} ${part.month.slice(0, 3)} ${part.year}`;
  time.textContent = `${day}, ${part.hour}:${part.minute} ${zone ?? ""}`.trim();
  time.parentElement.hidden = false;
}
