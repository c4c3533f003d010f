"""Decide who an invitee is in Salesforce: one question, one answer, and in words why. Pure: values in, values out.

The steps are taken in the order of `STEPS`; the first that knows decides, the others are named as not needed. Each
hit that more than one record shares stops into a review, unless the connection says to take the newest.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from integrations.connectors.base import Choice, Record, Step
from integrations.connectors.salesforce.findings import (
    Answer,
    Create,
    Findings,
    Hit,
    Nobody,
    Policy,
    Stop,
    Use,
)
from integrations.connectors.salesforce.free_mail import company_domain, website_domain
from integrations.connectors.salesforce.identifiers import PEOPLE, object_of, record_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    policy: Policy
    findings: Findings
    choice: Choice | None

    @property
    def link_id(self) -> str:
        """Return the id that the link carried, if it is one of a record that can be the invitee."""
        found = record_id(self.findings.linked)
        kinds = PEOPLE | ({"Account"} if self.policy.person_accounts else frozenset())
        return found if object_of(found) in kinds else ""

    @property
    def link_was_seen(self) -> bool:
        """Tell whether what is stored was decided in the knowledge of this link."""
        stored = self.findings.stored
        return stored is not None and stored.data.get("link") == self.findings.linked

    @property
    def refused(self) -> frozenset[str]:
        """Return what a person said the invitee is not."""
        create = self.choice is not None and self.choice.verdict == "create"
        return frozenset(self.choice.refused) if create and self.choice else frozenset()

    @property
    def chosen_account(self) -> str:
        record = self.choice.record if self.choice else None
        return record.remote_id if record and record.object_type == "Account" else ""

    @property
    def everybody(self) -> tuple[Hit, ...]:
        """Return every record that may be the invitee, each once, in the order of the steps."""
        found = self.findings
        return self.usable((*found.external, *found.contacts, *found.leads, *found.duplicates))

    def usable(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """Keep one hit of each record that can be written to; what a person refused is none."""
        return self.living(h for h in hits if not {h.id, h.target} & self.refused)

    def living(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """Keep one hit of each record that can be written to."""
        by_target: dict[str, Hit] = {}
        for hit in hits:
            if hit.target and hit.target not in self.findings.gone:
                by_target.setdefault(hit.target, hit)
        return tuple(by_target.values())

    def came_of(self, identifier: str) -> Hit | None:
        """Return what became of a record that is gone, if that can be written to."""
        found = (hit for hit in self.living(self.findings.after) if hit.id == identifier)
        return next((hit for hit in found if hit.target != identifier), None)


Outcome = tuple[Answer | None, str]

_NO_ADDRESS = "No e-mail address that Salesforce could store."
_OFF = "Off in the connection's settings."


def resolve(policy: Policy, findings: Findings, choice: Choice | None = None) -> Answer:
    """Return the one answer, with every step in words."""
    case = _Case(policy=policy, findings=findings, choice=choice)
    answer: Answer | None = None
    steps: list[Step] = []
    for name, take in STEPS.items():
        if answer is None:
            answer, detail = take(case)
        else:
            detail = "Not needed."
        steps.append(Step(name=name, detail=detail))
    return replace(answer or Nobody(), steps=tuple(steps))


def look_ups(policy: Policy, findings: Findings, choice: Choice | None = None) -> dict[str, str]:
    """Return what has to be asked, by name, with what to ask for; nothing where the answer is known without.

    What was found gone is always asked for: something may have come of it.
    """
    case = _Case(policy=policy, findings=findings, choice=choice)
    ask_link = bool(policy.link and case.link_id and not case.link_was_seen)
    if not ask_link and not findings.gone and _known(case):
        return {}
    email = findings.email
    asked = {
        "link": case.link_id if ask_link else "",
        "after": " ".join(sorted(findings.gone)),
        "external": policy.external_id,
        "contacts": email if policy.contacts else "",
        "leads": email if policy.leads else "",
        "accounts": _domain(case),
    }
    return {name: what for name, what in asked.items() if what}


def known(policy: Policy, findings: Findings, choice: Choice | None = None) -> Answer | None:
    """Return the answer where nobody needs to be asked for it."""
    if look_ups(policy, findings, choice):
        return None
    return resolve(policy, findings, choice)


def _known(case: _Case) -> bool:
    return any(take(case)[0] is not None for take in (_by_link, _by_answer, _by_stored))


def _use(hit: Hit, *, by: str) -> Use:
    return Use(object_type=object_of(hit.target) or hit.object_type, id=hit.target, by=by)


def _by_link(case: _Case) -> Outcome:
    linked, stored = case.findings.linked, case.findings.stored
    if not linked:
        return None, "The booking's link carried no record id."
    if not case.policy.link:
        return None, _OFF
    if not case.link_id:
        return None, f"The link carried {linked[:40]!r}, which is no id of a Contact or Lead."
    if case.link_was_seen and stored and stored.remote_id not in case.findings.gone:
        if stored.data.get("by") == "link":
            by_link = Use(object_type=stored.object_type, id=stored.remote_id, by="link")
            return by_link, f"{stored.object_type} {stored.remote_id}, which the link named before."
        return None, f"The link named {case.link_id}, which could not be used before."
    hits = case.living(case.findings.link)
    if not hits:
        return None, f"The link named {case.link_id}: deleted, or hidden from the integration user."
    return _use(hits[0], by="link"), f"{_named(hits[0])}: the booking's link names it."


def _by_answer(case: _Case) -> Outcome:
    choice = case.choice
    if choice is None:
        return None, "No person was asked about this invitee."
    if choice.verdict == "nobody":
        return Nobody(), "A person chose to write the meetings of this invitee without anybody."
    if choice.verdict == "create":
        return None, "A person chose a new record: none of those there were then."
    if choice.record is None or case.chosen_account:
        return None, f"A person chose the Account {case.chosen_account} for a new record."
    return _chosen(case, choice.record)


def _chosen(case: _Case, record: Record) -> Outcome:
    if record.remote_id not in case.findings.gone:
        chosen = Use(object_type=record.object_type, id=record.remote_id, by="answer")
        return chosen, f"{record.object_type} {record.remote_id}: a person chose it."
    became = case.came_of(record.remote_id)
    if became:
        return _use(became, by="answer"), f"{_named(became)}: what a person chose has become it."
    reason = f"The {record.object_type} that a person chose, {record.remote_id}, is gone."
    return Stop(reason=reason, candidates=case.everybody), reason


def _by_stored(case: _Case) -> Outcome:
    stored = case.findings.stored
    if stored is None:
        return None, "Nothing is stored for this meeting yet."
    name = f"{stored.object_type} {stored.remote_id}"
    if stored.remote_id in case.refused:
        return None, f"{name} was stored; a person chose a new record."
    if stored.remote_id not in case.findings.gone:
        return Use(
            object_type=stored.object_type, id=stored.remote_id, by="stored"
        ), f"{name}, as before."
    became = case.came_of(stored.remote_id)
    if became:
        return _use(became, by="stored"), f"{_named(became)}: what was stored has become it."
    return None, f"{name} was stored and is gone in Salesforce: looked for the person again."


def _by_external_id(case: _Case) -> Outcome:
    if not case.policy.external_id:
        return None, _OFF
    return _one(case, case.findings.external, by="external id", has=f"{case.policy.external_id} of this meeting")  # fmt: skip


def _by_contact(case: _Case) -> Outcome:
    if not case.policy.contacts:
        return None, _OFF
    if not case.findings.email:
        return None, _NO_ADDRESS
    return _one(case, case.findings.contacts, by="contact", has="this e-mail address")


def _by_lead(case: _Case) -> Outcome:
    if not case.policy.leads:
        return None, _OFF
    if not case.findings.email:
        return None, _NO_ADDRESS
    return _one(case, case.findings.leads, by="lead", has="this e-mail address")


def _one(case: _Case, found: tuple[Hit, ...], *, by: str, has: str) -> Outcome:
    hits = case.usable(found)
    if not hits:
        return None, f"No record has {has}."
    if len(hits) == 1:
        return _use(hits[0], by=by), f"{_named(hits[0])} has {has}."
    return _several(case, hits, by=by, reason=f"{len(hits)} records have {has}.")


def _several(case: _Case, hits: tuple[Hit, ...], *, by: str, reason: str) -> Outcome:
    if case.policy.when_ambiguous == "newest":
        newest = max(hits, key=lambda hit: (hit.changed, hit.target))
        return _use(newest, by=by), f"{reason} {_named(newest)}, changed last, is used."
    candidates = case.usable((*hits, *case.everybody))
    return Stop(reason=reason, candidates=candidates), f"{reason} A person has to choose."


def _by_account(case: _Case) -> Outcome:
    """Find where a new record belongs; a person is never found by this step, so that it decides only to stop."""
    if not case.policy.accounts:
        return None, _OFF
    if case.chosen_account:
        return None, f"Account {case.chosen_account}: a person chose it."
    domain = _domain(case)
    if not domain:
        return None, "The address belongs to no company's domain."
    hits = _accounts(case)
    if not hits:
        return None, f"No Account has the website {domain}."
    if len(hits) == 1:
        return None, f"{_named(hits[0])} has the website {domain}.{_unless_put(case)}"
    reason = f"{len(hits)} Accounts have the website {domain}."
    if case.policy.when_ambiguous == "newest" or _created(case) != "Contact":
        return None, f"{reason}{_unless_put(case) or ' The one changed last is used.'}"
    return Stop(reason=reason, candidates=hits), f"{reason} A person has to choose."


def _unless_put(case: _Case) -> str:
    created = _created(case)
    return "" if created == "Contact" else f" A {created} is not put into it." if created else ""


def _create(case: _Case) -> Outcome:
    if not case.findings.email:
        return Nobody(), f"{_NO_ADDRESS} The Event stands alone."
    created = _created(case)
    if not created:
        return Nobody(), "Creating is off in the connection's settings: the Event stands alone."
    if case.findings.blocked:
        return _blocked(case, created)
    account = _account(case) if created == "Contact" else ""
    into = f" in Account {account}" if account else ""
    return Create(object_type=created, account=account), f"Nobody was found: a new {created}{into}."


def _blocked(case: _Case, created: str) -> Outcome:
    named = [hit for hit in case.findings.duplicates if object_of(hit.target) in PEOPLE]
    hits = case.usable(named)
    if len(hits) == 1:
        return _use(hits[0], by="duplicate"), f"{_named(hits[0])}: a duplicate rule names it."
    if len(hits) > 1 and case.policy.when_ambiguous == "newest":
        return _several(case, hits, by="duplicate", reason=f"A duplicate rule names {len(hits)} records.")  # fmt: skip
    what = f"{len(hits) or len(named)} records" if named else "none that can be seen"
    reason = f"A duplicate rule refuses the new {created} and names {what}."
    return Stop(
        reason=reason, candidates=hits or case.living(named)
    ), f"{reason} A person has to choose."


def _created(case: _Case) -> str:
    """Return the object of a new record; a person who asks for one gets one, whatever the settings say."""
    asked = case.choice is not None and case.choice.verdict == "create"
    kinds = {"lead": "Lead", "contact": "Contact", "nothing": "Lead" if asked else ""}
    return "Contact" if case.chosen_account else kinds[case.policy.create]


def _domain(case: _Case) -> str:
    if not case.policy.accounts or case.chosen_account:
        return ""
    return company_domain(case.findings.email, free_mail=case.policy.free_mail)


def _accounts(case: _Case) -> tuple[Hit, ...]:
    """Return the Accounts whose website is the domain, and no other that merely contains it."""
    domain = _domain(case)
    same = [hit for hit in case.findings.accounts if website_domain(hit.website) == domain]
    return case.usable(hit for hit in same if not hit.is_person_account)


def _account(case: _Case) -> str:
    hits = _accounts(case) if _domain(case) else ()
    newest = max(hits, key=lambda hit: (hit.changed, hit.target)).target if hits else ""
    return case.chosen_account or newest


def _named(hit: Hit) -> str:
    if hit.leads_to:
        how = "was converted" if object_of(hit.leads_to) != hit.object_type else "was merged"
        return f"{object_of(hit.leads_to)} {hit.leads_to}, into which {hit.object_type} {hit.id} {how},"
    whole = f"{hit.object_type} {hit.id}"
    return f"{whole} (Person Account)" if hit.is_person_account else whole


#: The steps by their name, in their order.
STEPS: Mapping[str, Callable[[_Case], Outcome]] = {
    "link": _by_link,
    "answer": _by_answer,
    "stored": _by_stored,
    "external id": _by_external_id,
    "contact": _by_contact,
    "lead": _by_lead,
    "account": _by_account,
    "create": _create,
}
