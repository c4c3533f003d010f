// The page itself: the form, the list of bookings, the tabs, and polling.

import { call, day, el, empty, tag } from "/page/dom.js";
import { faultForm } from "/page/faults.js";
import * as panels from "/page/panels.js";

const TABS = {
  salesforce: "Salesforce", slack: "Slack", mail: "Mail", receiver: "Receiver", rest: "REST", webhooks: "Webhooks", requests: "Requests", faults: "Faults",
};
const form = document.querySelector("#book");
const panel = document.querySelector("#panel");
const shown = { tab: location.hash.slice(1) in TABS ? location.hash.slice(1) : "salesforce", bookings: "", panel: "" };
let eventTypes = [];

function localInput(date) {
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function nextHour(hours) {
  const date = new Date(Date.now() + hours * 3600000);
  date.setMinutes(0, 0, 0);
  return date;
}

async function act(path, data) {
  const problem = document.querySelector("#problem");
  problem.hidden = true;
  try {
    await call("POST", path, data);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  await refresh();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const answers = {};
  for (const input of document.querySelectorAll("#questions [data-question]")) {
    if (input.value) answers[input.dataset.question] = input.value;
  }
  act("/calendly/book", {
    event_type: data.get("event_type"), name: data.get("name"), email: data.get("email"),
    host: data.get("host"), start_time: new Date(data.get("start")).toISOString(), answers,
  });
});

document.querySelector("#reset").addEventListener("click", () => {
  if (confirm("Forget every booking, record, message and fault?")) act("/reset");
});

function askQuestions() {
  const chosen = eventTypes.find((one) => one.uri === form.elements.event_type.value);
  const inputs = (chosen?.custom_questions ?? []).map((question) => {
    const common = { "data-question": question.name, required: question.required };
    const choices = question.answer_choices;
    return el("label", {}, question.name, question.required ? "" : " (optional)", choices
      ? el("select", common, el("option", { value: "" }, ""), choices.map((one) => el("option", {}, one)))
      : el("input", common));
  });
  document.querySelector("#questions").replaceChildren(...inputs);
}

form.elements.event_type.addEventListener("change", askQuestions);

function fillForm(state) {
  if (eventTypes.length) return;
  eventTypes = state.event_types.filter((one) => one.active);
  form.elements.event_type.replaceChildren(...eventTypes.map((one) => el("option", { value: one.uri }, `${one.name}, ${one.duration} min`)));
  form.elements.host.append(...state.users.map((one) => el("option", { value: one.uri }, `${one.name} (${one.role})`)));
  form.elements.start.value = localInput(nextHour(25));
  askQuestions();
}

function bookings(state) {
  const events = new Map(state.events.map((one) => [one.uri, one]));
  const rows = [...state.invitees].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  document.querySelector("#count").textContent = rows.length || "";
  const list = rows.slice(0, 100).map((one) => booking(one, events.get(one.event)));
  document.querySelector("#bookings").replaceChildren(...(list.length ? list : [empty("Nothing is booked yet.")]));
}

function status(invitee) {
  if (invitee.rescheduled) return tag("rescheduled", "warn");
  if (invitee.status === "canceled") return tag("canceled", "bad");
  return invitee.no_show ? tag("no-show", "warn") : tag("active", "good");
}

function booking(invitee, event) {
  const active = invitee.status === "active";
  const hosts = event.event_memberships.map((one) => one.user_name).join(", ");
  return el("article", { class: `card ${active ? "" : "over"}` },
    el("div", { class: "row" }, el("strong", {}, invitee.name), status(invitee)),
    el("div", { class: "soft" }, `${event.name} with ${hosts}`),
    el("div", {}, day(event.start_time)),
    active && el("div", { class: "actions" }, ...buttons(invitee, event)));
}

function buttons(invitee, event) {
  const moved = new Date(new Date(event.start_time).getTime() + 86400000);
  const noShow = invitee.no_show ? "/calendly/no_show/remove" : "/calendly/no_show";
  const uri = invitee.uri;
  return [
    el("button", { class: "small", type: "button", title: `to ${day(moved.toISOString())}`,
      onclick: () => act("/calendly/reschedule", { invitee: uri, start_time: moved.toISOString() }) }, "Reschedule by a day"),
    el("button", { class: "small", type: "button",
      onclick: () => act("/calendly/cancel", { invitee: uri, reason: "Canceled on the page" }) }, "Cancel"),
    el("button", { class: "small", type: "button", onclick: () => act(noShow, { invitee: uri }) },
      invitee.no_show ? "Showed up after all" : "No-show"),
  ];
}

function tabs() {
  document.querySelector("#tabs").replaceChildren(...Object.entries(TABS).map(([key, title]) =>
    el("button", { type: "button", role: "tab", "aria-selected": String(shown.tab === key), onclick: () => open(key) }, title)));
}

function open(key) {
  Object.assign(shown, { tab: key, panel: "" });
  history.replaceState(null, "", `#${key}`);
  panel.replaceChildren(...(key === "faults" ? [faultForm(refresh)] : []), el("div", { id: "content" }));
  tabs();
  refresh();
}

async function refresh() {
  try {
    const state = await call("GET", "/calendly/state");
    fillForm(state);
    const key = JSON.stringify([state.invitees, state.events]);
    if (key !== shown.bookings) bookings(state);
    shown.bookings = key;
    await refreshPanel();
    document.querySelector("#state").textContent = `Calendly token: sandbox-calendly-pat`;
  } catch (error) {
    document.querySelector("#state").textContent = `The sandbox does not answer: ${error.message}`;
  }
}

async function refreshPanel() {
  const tab = shown.tab;
  const made = (await panels[tab]()).flat();
  if (tab !== shown.tab) return;
  const html = made.map((one) => one.outerHTML).join("");
  if (html === shown.panel) return;
  shown.panel = html;
  const content = document.querySelector("#content");
  const closed = [...content.querySelectorAll("details:not([open])")].map((one) => one.dataset.key);
  const opened = [...content.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  content.replaceChildren(...made);
  for (const one of content.querySelectorAll("details")) {
    if (closed.includes(one.dataset.key)) one.open = false;
    if (opened.includes(one.dataset.key)) one.open = true;
  }
}

open(shown.tab);
setInterval(() => document.hidden || refresh(), 1500);
