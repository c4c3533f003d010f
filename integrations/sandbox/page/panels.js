// The tabs on the right: what Salesforce and Slack hold, what was sent and asked, and the fault switches.

import { call, cell, day, el, empty, table, tag, time } from "/page/dom.js";

const HIDDEN = new Set(["attributes", "IsDeleted", "CreatedById", "SystemModstamp", "Id", "Name", "Subject"]);
const SEEDED = new Set(["User", "Account", "Campaign"]);

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
  const messages = await call("GET", "/slack/messages");
  if (!messages.length) return [empty("No message yet.")];
  const channels = Map.groupBy
    ? Map.groupBy(messages, (one) => one.channel_name || one.channel)
    : grouped(messages);
  return [...channels].map(([name, rows]) =>
    el("div", { class: "card" }, el("h2", {}, `# ${name}`), threads(rows)));
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
  const sent = new Date(Number(one.ts.split(".")[0]) * 1000).toISOString();
  return el("div", { class: `message ${look}` },
    el("span", { class: "who" }, one.bot_id ? "Calsync" : one.user),
    el("span", { class: "soft" }, time(sent), one.edited ? " (edited)" : ""),
    one.blocks ? one.blocks.map(block) : el("div", { class: "block" }, mrkdwn(one.text)),
    (one.attachments ?? []).map((part) => el("div", { class: "block" }, mrkdwn(part.text ?? part.fallback ?? ""))));
}

function block(one) {
  if (one.type === "divider") return el("hr");
  if (one.type === "header") return el("div", { class: "block header" }, one.text.text);
  if (one.type === "context") return el("div", { class: "block context" }, one.elements.map((part) => el("span", {}, words(part))));
  if (one.type === "actions") return el("div", { class: "buttons" }, one.elements.map(button));
  if (one.type === "section") {
    return el("div", { class: "block" }, one.text && words(one.text),
      one.fields && el("div", { class: "fields" }, one.fields.map((part) => el("div", {}, words(part)))),
      one.accessory?.type === "button" && el("div", { class: "buttons" }, button(one.accessory)));
  }
  return el("div", { class: "block soft" }, typeof one.text === "string" ? one.text : `[${one.type}]`);
}

function button(part) {
  return el("span", { class: "button-look", title: part.url ?? part.value }, part.text?.text ?? part.type);
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
