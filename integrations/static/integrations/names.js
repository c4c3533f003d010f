// Give a name to what Unfold's and Django's own pages leave without one, for screen readers.
"use strict";

const name = (selector, text) => {
  for (const found of document.querySelectorAll(selector)) {
    if (!found.hasAttribute("aria-label")) found.setAttribute("aria-label", typeof text === "string" ? text : text(found));
  }
};
const labelOf = (input) => input.closest(".field-row, .form-row, fieldset > div")?.querySelector("label, .form-label")?.textContent.trim().replace(/\*$/, "") ?? "";

document.addEventListener("DOMContentLoaded", () => {
  const content = document.getElementById("content");
  content?.setAttribute("role", "main");
  content?.setAttribute("tabindex", "-1");
  name("#searchbar", (input) => input.placeholder || "Search");
  name("#searchbar-submit", "Search");
  name("a.bg-primary-600[href='/admin/']", "Home");
  for (const cell of document.querySelectorAll("#result_list tbody th:not([scope])")) cell.scope = "row";
});

// Django's scripts make these when everything is loaded.
window.addEventListener("load", () => setTimeout(() => {
  name(".selector-available input[placeholder]", "Filter what can be chosen");
  name(".selector-chosen input[placeholder]", "Filter what is chosen");
  name(".vDateField", (input) => `${labelOf(input)} date`.trim());
  name(".vTimeField", (input) => `${labelOf(input)} time`.trim());
  name("a[id^=calendarlink]", "Choose a date");
  name("a[id^=clocklink]", "Choose a time");
  name("#header-inner a[href='#']", "More");
}));
