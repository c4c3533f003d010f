// Keeps a part of a page fresh for as long as what it shows still changes.
//
// <div data-live="/address/of/the/part/">: its content is fetched again every two seconds. When the new content holds
// nothing marked `data-goes-on`, the whole page is loaded once more. `data-spoken` is read out when it changes.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const part = document.querySelector("[data-live]");
  if (!part) return;
  const spoken = document.querySelector("[data-live-spoken]");
  const stale = document.querySelector("[data-live-stale]");

  const speak = () => {
    const words = part.querySelector("[data-spoken]")?.dataset.spoken ?? "";
    if (spoken && spoken.textContent !== words) spoken.textContent = words;
  };

  const refresh = async () => {
    if (document.hidden) return true;
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
    if (goesOn) setTimeout(turn, EVERY_MS);
    else window.location.reload();
  };

  if (part.querySelector("[data-goes-on]")) setTimeout(turn, EVERY_MS);
})();
