// Adds and removes rows of conditions, and offers what fits the fact that is chosen. What is sent are the rows as they stand;
// without this script the page has empty rows to fill in.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("[data-conditions]")) work(part);

  function work(part) {
    const catalogue = JSON.parse(part.querySelector('script[type="application/json"]').textContent);
    const groups = part.querySelector("[data-groups]");
    const said = part.querySelector("[data-said]");
    const prefix = part.dataset.conditions;
    let next = 1000;

    const copy = (name) => part.querySelector(`template[${name}]`).content.firstElementChild.cloneNode(true);
    const rowsOf = (group) => [...group.querySelectorAll("[data-row]")];

    const rename = (element, name) => {
      const old = element.dataset.row;
      element.dataset.row = name;
      for (const control of element.querySelectorAll("[name]")) control.name = control.name.replace(old, name);
    };

    // Number and count what there is: for who listens, and for what is shown at all.
    const settle = () => {
      const all = [...groups.querySelectorAll("[data-row]")];
      all.forEach((row, index) => row.setAttribute("aria-label", `Condition ${index + 1} of ${all.length}`));
      const several = groups.querySelectorAll("[data-group]").length > 1;
      part.querySelector("[data-join]").toggleAttribute("data-few", !several);
      for (const group of groups.querySelectorAll("[data-group]")) group.toggleAttribute("data-empty", rowsOf(group).length === 0);
    };

    const operatorOf = (row) => {
      const fact = catalogue[row.querySelector("[data-fact]").value];
      const chosen = row.querySelector("[data-op]").value;
      return [fact, fact?.operators.find(([name]) => name === chosen)];
    };

    const typed = (place) =>
      [...place.querySelectorAll("[name]")].flatMap((control) =>
        control.multiple ? [...control.selectedOptions].map((option) => option.value) : control.value.split("\n"),
      ).filter((text) => text.trim());

    const fill = (place, fact, lines) => {
      const controls = [...place.querySelectorAll("[name]")];
      const select = controls.find((control) => control.tagName === "SELECT");
      if (select && fact.choices.length) for (const choice of fact.choices) select.add(new Option(choice, choice));
      if (select?.multiple) select.size = Math.min(8, select.options.length);
      if (controls.length === 2) controls.forEach((control, index) => { control.value = lines[index] ?? ""; });
      else if (select?.multiple) for (const option of select.options) option.selected = lines.includes(option.value);
      else if (select) { if ([...select.options].some((option) => option.value === lines[0])) select.value = lines[0]; }
      else if (controls[0]) controls[0].value = controls[0].tagName === "TEXTAREA" ? lines.join("\n") : lines[0] ?? "";
    };

    const offerValue = (row) => {
      const place = row.querySelector("[data-value]");
      const [fact, operator] = operatorOf(row);
      const kind = operator?.[2] ?? "any";
      if (place.dataset.now === kind + row.querySelector("[data-fact]").value) return;
      place.dataset.now = kind + row.querySelector("[data-fact]").value;
      const lines = typed(place);
      place.replaceChildren(part.querySelector(`template[data-kind="${kind}"]`).content.cloneNode(true));
      for (const control of place.querySelectorAll("[name]")) control.name = `${row.dataset.row}-value`;
      fill(place, fact ?? { choices: [] }, lines);
    };

    const offerOperators = (row) => {
      const fact = catalogue[row.querySelector("[data-fact]").value];
      const select = row.querySelector("[data-op]");
      const argument = row.querySelector("[data-argument]");
      if (!fact) return;
      const before = select.value;
      select.replaceChildren(...fact.operators.map(([name, words]) => new Option(words, name)));
      if (fact.operators.some(([name]) => name === before)) select.value = before;
      argument.hidden = !fact.argument;
      if (!fact.argument) argument.value = "";
    };

    const begin = (row) => {
      const place = row.querySelector("[data-value]");
      const [, operator] = operatorOf(row);
      place.dataset.now = (operator?.[2] ?? "any") + row.querySelector("[data-fact]").value;
      if (!row.querySelector("[data-fact]").value) row.querySelector("[data-argument]").hidden = true;
    };

    const show = (element) => {
      for (const one of element.querySelectorAll("[data-scripted]")) one.hidden = false;
    };

    const addRow = (group) => {
      const row = copy("data-row-template");
      rename(row, `${group.dataset.group}-${next++}`);
      show(row);
      group.querySelector("[data-rows]").append(row);
      begin(row);
      settle();
      row.querySelector("[data-fact]").focus();
      said.textContent = "A condition was added.";
    };

    const addGroup = () => {
      const group = copy("data-group-template");
      const name = `${prefix}__${next++}`;
      group.querySelector("[data-mode]").name = `${name}-mode`;
      group.dataset.group = name;
      show(group);
      groups.append(group);
      addRow(group);
    };

    // The keyboard goes on with the next row, the one before, or the button that adds one.
    const removeRow = (row) => {
      const group = row.closest("[data-group]");
      const rows = rowsOf(group);
      const beside = rows[rows.indexOf(row) + 1] ?? rows[rows.indexOf(row) - 1];
      row.remove();
      const isLast = rowsOf(group).length === 0 && groups.querySelectorAll("[data-group]").length > 1;
      const target = beside?.querySelector("[data-fact]") ?? (isLast ? part.querySelector("[data-add-group]") : group.querySelector("[data-add]"));
      if (isLast) group.remove();
      else if (rowsOf(group).length === 0) group.querySelector("[data-mode]").value = "all";
      settle();
      target.focus();
      said.textContent = "The condition was removed.";
    };

    part.addEventListener("change", (event) => {
      const row = event.target.closest("[data-row]");
      if (!row) return;
      if (event.target.matches("[data-fact]")) offerOperators(row);
      if (event.target.matches("[data-fact], [data-op]")) offerValue(row);
    });
    part.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.matches("[data-add]")) addRow(button.closest("[data-group]"));
      if (button.matches("[data-add-group]")) addGroup();
      if (button.matches("[data-remove]")) removeRow(button.closest("[data-row]"));
    });

    show(part);
    for (const row of groups.querySelectorAll("[data-row]")) begin(row);
    settle();
  }
});
