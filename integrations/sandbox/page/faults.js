// The form that sets a fault switch.

import { call, el } from "/page/dom.js";

const REQUESTS = ["latency", "rate_limited", "error", "timeout", "drop_before", "drop_after", "token_expired", "token_revoked", "broken_json"];
const KINDS = {
  salesforce: [...REQUESTS, "salesforce_error"],
  slack: [...REQUESTS, "slack_error"],
  webhook: REQUESTS,
  rest: [...REQUESTS, "rest_error"],
  email: REQUESTS.filter((kind) => kind !== "broken_json"),
  calendly: [...REQUESTS, "calendly_error", "broken_object", "page_token_expired"],
  calendly_auth: REQUESTS,
  webhooks: ["duplicate", "delay", "reorder", "drop", "bad_signature", "stale_signature", "disabled_subscription"],
};
const PARAMS = {
  latency: "seconds=2", rate_limited: "retry_after=5", error: "status=503 body=html", timeout: "seconds=20",
  calendly_error: "status=403", broken_object: "key=start_time index=0",
  salesforce_error: "errorCode=UNABLE_TO_LOCK_ROW", slack_error: "code=fatal_error", rest_error: "status=422",
  duplicate: "copies=2", delay: "seconds=5", reorder: "messages=1", stale_signature: "seconds=600",
};

function options(values) {
  return values.map((value) => el("option", {}, value));
}

function parsed(text) {
  const pairs = text.trim().split(/\s+/).filter(Boolean).map((one) => one.split("="));
  return Object.fromEntries(pairs.map(([name, value]) => [name, Number.isNaN(Number(value)) ? value : Number(value)]));
}

export function faultForm(refresh) {
  const service = el("select", {}, options(Object.keys(KINDS)));
  const kind = el("select", {});
  const times = el("input", { type: "number", min: 0, value: 1 });
  const params = el("input", {});
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const suggest = () => { params.value = PARAMS[kind.value] ?? ""; };
  const choose = () => { kind.replaceChildren(...options(KINDS[service.value])); suggest(); };
  service.addEventListener("change", choose);
  kind.addEventListener("change", suggest);
  choose();

  async function set(event) {
    event.preventDefault();
    problem.hidden = true;
    try {
      const fault = { service: service.value, kind: kind.value, times: Number(times.value), params: parsed(params.value) };
      await call("POST", "/faults", fault);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    refresh();
  }

  return el("form", { class: "card", onsubmit: set },
    el("h2", {}, "Make something go wrong"),
    el("div", { class: "faults" },
      el("label", {}, "Service", service), el("label", {}, "Fault", kind),
      el("label", {}, "Times", times), el("label", {}, "With", params),
      el("button", { class: "main", type: "submit" }, "Switch on")),
    el("p", { class: "soft" }, "Times 0 means until cleared."), problem);
}
