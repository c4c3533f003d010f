// The tabs on the right: what each service holds, what was sent and asked, and the fault switches.

import { call, cell, day, el, empty, table, tag, time } from "/page/dom.js";

const HIDDEN = new Set(["attributes", "IsDeleted", "CreatedById", "SystemModstamp", "Id", "Name", "Subject"]);
const SEEDED = new Set(["User", "Organization", "Account", "Campaign"]);

export async function salesforce() {
  const records = await call("GET", "/salesforce/records");
  const kinds = Object.entries(records).filter(([, rows]) => rows.length);
  kinds.sort(([a], [b]) => SEEDED.has(a) - SEEDED.has(b));
  return kinds.flatMap(([kind, rows]) => [
    el("h3", {}, `${kind} `, el("span", { class: "count" }, rows.length)),
    ...rows.slice(-50).reverse().map((row) => record(kind, row)),
  ]);
}

function record(kind, row) {
  const title = row.Name ?? row.Subject ?? row.CaseNumber ?? row.Id;
  const rest = Object.entries(row).filter(([name, value]) => value !== null && value !== false && !HIDDEN.has(name));
  return el("details", { class: "card", "data-key": row.Id, open: !SEEDED.has(kind) },
    el("summary", {}, el("strong", {}, title), " ", el("code", {}, row.Id)),
    el("dl", {}, rest.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])));
}

export async function slack() {
  const [messages, whispers] = await Promise.all([call("GET", "/slack/messages"), call("GET", "/slack/whispers")]);
  if (!messages.length) return [empty("No message yet.")];
  const channels = Map.groupBy
    ? Map.groupBy(messages, (one) => one.channel_name || one.channel)
    : grouped(messages);
  return [...channels].map(([name, rows]) =>
    el("div", { class: "card" }, el("h2", {}, `# ${name}`), whispers.filter((one) => one.channel === rows[0].channel).slice(-3).map(whisper),
      threads(rows)));
}

function whisper(one) {
  return el("div", { class: "message whisper" }, el("span", { class: "soft" }, `Only ${one.user} sees this, ${time(sentAt(one))}`),
    el("div", { class: "block" }, mrkdwn(one.text)));
}

function sentAt(one) {
  return new Date(Number(one.ts.split(".")[0]) * 1000).toISOString();
}

function grouped(messages) {
  const groups = new Map();
  for (const one of messages) {
    const name = one.channel_name || one.channel;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return groups;
}

function threads(rows) {
  const parents = rows.filter((one) => !one.thread_ts || one.thread_ts === one.ts);
  const lost = rows.filter((one) => one.thread_ts && !rows.some((other) => other.ts === one.thread_ts));
  return [...parents, ...lost].reverse().map((parent) => [
    message(parent),
    rows.filter((one) => one.thread_ts === parent.ts && one !== parent).map((reply) => message(reply, "reply")),
  ]).flat(2);
}

function message(one, look = "") {
  const sent = sentAt(one);
  return el("div", { class: `message ${look}` },
    el("span", { class: "who" }, one.bot_id ? "Calsync" : one.user),
    el("span", { class: "soft" }, time(sent), one.edited ? " (edited)" : ""),
    one.blocks ? one.blocks.map((part) => block(part, one)) : el("div", { class: "block" }, mrkdwn(one.text)),
    (one.attachments ?? []).map((part) => el("div", { class: "block" }, mrkdwn(part.text ?? part.fallback ?? ""))));
}

function block(one, message) {
  if (one.type === "divider") return el("hr");
  if (one.type === "header") return el("div", { class: "block header" }, one.text.text);
  if (one.type === "context") return el("div", { class: "block context" }, one.elements.map((part) => el("span", {}, words(part))));
  if (one.type === "actions") return el("div", { class: "buttons" }, one.elements.map((part) => button(part, message)));
  if (one.type === "section") {
    return el("div", { class: "block" }, one.text && words(one.text),
      one.fields && el("div", { class: "fields" }, one.fields.map((part) => el("div", {}, words(part)))),
      one.accessory?.type === "button" && el("div", { class: "buttons" }, button(one.accessory, message)));
  }
  return el("div", { class: "block soft" }, typeof one.text === "string" ? one.text : `[${one.type}]`);
}

function button(part, message) {
  const label = part.text?.text ?? part.type;
  if (part.url) return el("a", { class: "button-look", href: part.url, target: "_blank", rel: "noreferrer" }, label);
  return el("button", { class: "button-look", title: part.value, onclick: () => press(part, message) }, label);
}

// Presses as Olivia; the question that Slack would ask first is the browser's here.
async function press(part, message) {
  if (part.confirm && !window.confirm(`${part.confirm.title.text}\n${part.confirm.text.text}`)) return;
  const { channel, ts } = message;
  const { status, error } = await call("POST", "/slack/press", { channel, ts, action_id: part.action_id, base: location.origin });
  if (status !== 200) window.alert(`The app answered ${status || error}.`);
}

function words(part) {
  return part.type === "mrkdwn" ? mrkdwn(part.text) : [part.text ?? `[${part.type}]`];
}

const MARKS = /(<[^>\n]+>|\*[^*\n]+\*|~[^~\n]+~|`[^`\n]+`|(?<![\w])_[^_\n]+_(?!\w))/;

function mrkdwn(text) {
  return text.split(MARKS).filter(Boolean).map((part) => {
    const inner = part.slice(1, -1);
    if (part.length > 2 && part[0] === "<" && part.endsWith(">")) return reference(inner);
    if (MARKS.test(part) && part[0] === "*") return el("strong", {}, mrkdwn(inner));
    if (MARKS.test(part) && part[0] === "~") return el("s", {}, mrkdwn(inner));
    if (MARKS.test(part) && part[0] === "_") return el("em", {}, mrkdwn(inner));
    if (MARKS.test(part) && part[0] === "`") return el("code", {}, plain(inner));
    return plain(part);
  });
}

function reference(inner) {
  const [target, label] = inner.split("|");
  if (target.startsWith("!date^")) return day(new Date(Number(target.split("^")[1]) * 1000).toISOString());
  if (/^(https?|mailto):/.test(target)) {
    return el("a", { href: target, rel: "noreferrer", target: "_blank" }, plain(label ?? target));
  }
  return el("strong", {}, label ?? target);
}

function plain(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

export async function receiver() {
  const messages = await call("GET", "/webhook/messages?limit=100");
  if (!messages.length) return [empty("No signed message yet.")];
  return messages.reverse().map((one) =>
    el("details", { class: "card", "data-key": `${one.id} ${one.at}` },
      el("summary", {}, el("strong", {}, one.body.type ?? ""), " ", el("code", {}, one.id), " ", el("span", { class: "soft" }, time(one.at))),
      el("pre", {}, JSON.stringify(one.body, null, 2))));
}

export async function mail() {
  const mails = await call("GET", "/email/mails");
  if (!mails.length) return [empty("No message yet.")];
  return mails.slice(-50).reverse().map((one) => el("details", { class: "card", "data-key": one.number },
    el("summary", {}, el("strong", {}, one.subject), " ", el("span", { class: "soft" }, `to ${one.rcpt_to.join(", ")}, ${time(one.at)}`),
      one.calendar ? [" ", tag("invitation", "good")] : ""),
    el("pre", {}, one.text), one.calendar ? el("pre", { class: "soft" }, one.calendar) : ""));
}

// Who works there from the start; what Calsync makes comes above them.
const THERE_BEFORE = new Set(["accounts", "users", "opportunities"]);

export async function rest() {
  const tables = Object.entries(await call("GET", "/rest/state")).filter(([, rows]) => rows.length);
  tables.sort(([a], [b]) => THERE_BEFORE.has(a) - THERE_BEFORE.has(b));
  return tables.flatMap(([name, rows]) => [
    el("h3", {}, `${name.replaceAll("_", " ")} `, el("span", { class: "count" }, rows.length)),
    ...rows.slice(-50).reverse().map((row) => object(name, row)),
  ]);
}

function object(table, row) {
  const title = row.title ?? row.email ?? row.subject ?? row.name ?? row.event_name;
  return el("details", { class: "card", "data-key": `${table} ${row.id}` },
    el("summary", {}, title ? [el("strong", {}, title), " "] : "", row.id ? el("code", {}, row.id) : ""),
    el("pre", {}, JSON.stringify(row, null, 2)));
}

const LOOKS = { delivered: "good", failed: "bad", gave_up: "bad", dropped: "warn" };

export async function webhooks() {
  const { subscriptions, deliveries, queued, held } = await call("GET", "/webhooks?limit=100");
  return [
    el("h3", {}, "Subscriptions"),
    subscriptions.length ? table(["State", "Sends to", "Events", "Scope"], subscriptions.map(subscription))
      : empty("Nobody has subscribed yet."),
    el("h3", {}, `Deliveries (${queued} queued, ${held} held)`),
    deliveries.length ? table(["At", "Event", "About", "Try", "Outcome", "Took"], deliveries.reverse().map(delivery))
      : empty("Nothing was sent yet."),
  ];
}

function subscription(one) {
  const failing = one.state === "active" && one.retry_started_at;
  return el("tr", {}, cell([tag(failing ? "retrying" : one.state, one.state === "disabled" ? "bad" : failing ? "warn" : "good")]),
    cell(one.callback_url, "path"), cell(one.events.join(", ")), cell(one.scope));
}

function delivery(one) {
  return el("tr", {}, cell(time(one.at), "when"), cell(one.event), cell(one.body.payload.name ?? ""), cell(one.attempt, "num"),
    cell([tag(`${one.outcome} ${one.status ?? one.error ?? ""}`, LOOKS[one.outcome])]),
    cell(`${Math.round(one.duration_ms)} ms`, "num"));
}

export async function requests() {
  const rows = await call("GET", "/requests?limit=150");
  if (!rows.length) return [empty("No request yet.")];
  return [table(["At", "Service", "Request", "Answer", "Fault", "Took"], rows.reverse().map((one) => el("tr", {},
    cell(time(one.at), "when"), cell(one.service), cell(`${one.method} ${one.path}`, "path"),
    cell([tag(one.status, one.status < 400 ? "good" : "bad")]), cell(one.fault ? [tag(one.fault, "warn")] : ""),
    cell(`${Math.round(one.duration_ms)} ms`, "num"))))];
}

export async function faults() {
  const rows = await call("GET", "/faults");
  const list = rows.length
    ? table(["Service", "Fault", "Left", "Used", "With", ""], rows.map(fault))
    : empty("No fault is switched on: everything works.");
  return [list];
}

function fault(one) {
  const more = { ...one.params, ...one.match };
  return el("tr", {}, cell(one.service), cell(one.kind), cell(one.remaining ?? "until cleared"), cell(one.hits),
    cell(Object.entries(more).map(([name, value]) => `${name} ${value}`).join(", ")),
    cell([el("button", { class: "small", onclick: () => call("POST", "/faults/clear", { id: one.id }) }, "Clear")]));
}
