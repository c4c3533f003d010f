// Builds elements. Every text goes in as a text node, so nothing that a guest typed becomes markup.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false).map(asNode));
  return made;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

export function tag(text, look = "") {
  return el("span", { class: `tag ${look}` }, text);
}

export function empty(text) {
  return el("p", { class: "empty" }, text);
}

export function table(heads, rows) {
  return el("div", { class: "card scroll" },
    el("table", {},
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows)));
}

export function cell(content, look = "") {
  return el("td", { class: look }, content ?? "");
}

const dayTime = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const day = (iso) => dayTime.format(new Date(iso));
export const time = (iso) => clock.format(new Date(iso));

export async function call(method, path, data) {
  const options = { method };
  if (method !== "GET") {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(data ?? {});
  }
  const response = await fetch(`/sandbox${path}`, options);
  const answer = await response.json();
  if (!response.ok) {
    const details = (answer.details ?? []).map((one) => `${one.parameter} ${one.message}`).join("; ");
    throw new Error([answer.error, details].filter(Boolean).join(" "));
  }
  return answer;
}
