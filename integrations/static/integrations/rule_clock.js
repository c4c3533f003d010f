// Shows what the clock needs to be told only where a kind of the clock is chosen, and the other rule only where it is used.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const kinds = [...document.querySelectorAll('input[name="kinds"]')];
  const clock = document.querySelector('[name="offset"]')?.closest("fieldset");
  if (!clock || kinds.length === 0) return;
  const policy = document.querySelector('[name="late_policy"]');
  const other = document.querySelector('[name="late_rule"]')?.closest(".form-row, .field-line");

  const show = () => {
    clock.hidden = !kinds.some((kind) => kind.checked && ["starting", "ended"].includes(kind.value));
    if (other && policy) other.hidden = policy.value !== "other";
  };

  for (const control of [...kinds, policy]) control?.addEventListener("change", show);
  show();
});
