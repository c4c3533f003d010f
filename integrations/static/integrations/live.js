// Keeps a part of a page fresh for as long as what it shows still changes.
//
// <div data-live="/address/of/the/part/">: its content is fetched again every two seconds, or every `data-live-every`
// milliseconds. When the new content holds nothing marked `data-goes-on`, the whole page is loaded once more. `data-spoken`
// is read out when it changes. Who has the keyboard inside of it, or has opened something, is not disturbed.
"use strict";

(() => {
  const part = document.querySelector("[data-live]");
  if (!part) return;
  const every = Number(part.dataset.liveEvery ?? 2000);
  const spoken = document.querySelector("[data-live-spoken]");
  const stale = document.querySelector("[data-live-stale]");

  const speak = () => {
    const words = part.querySelector("[data-spoken]")?.dataset.spoken ?? "";
    if (spoken && spoken.textContent !== words) spoken.textContent = words;
  };

  const inUse = () => part.contains(document.activeElement) || part.querySelector("details[open]") !== null;

  const refresh = async () => {
    if (document.hidden || inUse()) return true;
    const answer = await fetch(part.dataset.live, { credentials: "same-origin", cache: "no-store" });
    if (answer.redirected || !answer.ok) throw new Error(`status ${answer.status}`);
    part.innerHTML = await answer.text();
    speak();
    return part.querySelector("[data-goes-on]") !== null;
  };

  const turn = async () => {
    let goesOn = true;
    try {
      goesOn = await refresh();
      if (stale) stale.hidden = true;
    } catch {
      if (stale) stale.hidden = false;
    }
    if (goesOn) setTimeout(turn, every);
    else window.location.reload();
  };

  if (part.querySelector("[data-goes-on]")) setTimeout(turn, every);
})();
