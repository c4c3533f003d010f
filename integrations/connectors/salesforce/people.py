"""Carry out who an invitee is in Salesforce: look, decide, and create where nobody is found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.connectors.base import Choice, Record, Step, Task
from integrations.connectors.salesforce import looking, matching
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.errors import OWNER_REFUSED
from integrations.connectors.salesforce.findings import (
    Answer,
    Create,
    Findings,
    Hit,
    Policy,
    Stop,
    Use,
    policy_of,
)
from integrations.connectors.salesforce.identifiers import object_of, record_id
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.writing import rows
from integrations.errors import Candidate, IntegrationError, ReviewError

Found = tuple[Record | None, tuple[Step, ...]]
#: Given "Lead" or "Contact", the fields of a new one.
NewRecord = Callable[[str], Mapping[str, Any]]

#: By what step a record was found that is new.
CREATED = "create"

#: More of a link's text is no record id, and is not worth keeping.
_LINK_LENGTH = 255
_CHOOSE = (
    "Open the match review, and choose the record, a new one or nobody. The meeting is then written by itself, and "
    "so are this person's later ones."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitee:
    """Hold what is known of an invitee before Salesforce is asked; `key` names the meeting."""

    policy: Policy
    findings: Findings
    choice: Choice | None
    key: str
    #: What is asked in the same call: the users with the host's address, and who owns the Event.
    host: str = ""
    event_id: str = ""

    def known(self) -> Answer | None:
        """Return who it is, where nobody needs to be asked."""
        return matching.known(self.policy, self.findings, self.choice)

    def without(self, person: Record) -> "Invitee":
        """Return the invitee in the knowledge that a record can no longer be written to."""
        gone = self.findings.gone | {person.remote_id}
        return replace(self, findings=replace(self.findings, gone=gone))


def invitee_of(task: Task, settings: SalesforceSettings, *, email: str) -> Invitee:
    """Return what a task tells of its invitee; `email` is empty where Salesforce could not store the address."""
    return Invitee(
        policy=_policy(settings, look_first=task.look_first),
        findings=Findings(
            email=email,
            linked=str(task.meeting.tracking.get("salesforce_uuid") or "").strip()[:_LINK_LENGTH],
            stored=task.record("Contact") or task.record("Lead"),
        ),
        choice=task.choice,
        key=task.meeting.key,
    )


def find_or_create(
    client: SalesforceClient,
    invitee: Invitee,
    *,
    new_record: NewRecord,
    owner_refused: Callable[[str], None],
) -> Found:
    """Return who the invitee is, and what was decided on the way; None where the Event stands alone.

    The invitee is one of `looked_up`. `new_record` is asked what a Lead or Contact is created with; `owner_refused` is told
    by what code Salesforce refused its owner, without whom it is made. One that was created says so in its `data["by"]`.

    Raises:
        ReviewError: a person has to choose.
        IntegrationError: a new record is refused.
    """
    answer = matching.resolve(invitee.policy, invitee.findings, invitee.choice)
    if not isinstance(answer, Create):
        return _person(client, invitee, answer), answer.steps
    body = new_record(answer.object_type)
    reply = _create(client, invitee, answer, fields=body)
    if reply.code in OWNER_REFUSED and "OwnerId" in body:
        rest = {name: value for name, value in body.items() if name != "OwnerId"}
        owner_refused(reply.code)
        reply = _create(client, invitee, answer, fields=rest)
    if reply.code != "DUPLICATES_DETECTED":
        try:
            identifier = str(reply.require()["id"])
        except IntegrationError as error:
            error.steps = rows(answer.steps)
            raise
        made = Step(name="person", detail=f"{answer.object_type} {identifier}: created.")
        record = _record(client, invitee, identifier, kind=answer.object_type, by=CREATED)
        return record, (*answer.steps, made)
    named = _named_by_rule(client, invitee, reply)
    findings = replace(invitee.findings, blocked=True, duplicates=named)
    answer = matching.resolve(invitee.policy, findings, invitee.choice)
    return _person(client, invitee, answer), answer.steps


def find(client: SalesforceClient, identifier: str, *, person_accounts: bool) -> Candidate | None:
    """Return the person that an id names, or what became of them; None where there is none.

    Raises:
        IntegrationError: the look-up failed.
    """
    hits = looking.read(client, [identifier], person_accounts=person_accounts)
    targets = {hit.target: hit for hit in hits if object_of(hit.target) in {"Contact", "Lead"}}
    return next((candidate(client, hit) for hit in targets.values()), None)


def candidate(client: SalesforceClient, hit: Hit) -> Candidate:
    """Return a hit as a person chooses it."""
    kind = object_of(hit.target)
    facts = (
        hit.company or hit.website,
        f"owner {hit.owner}" if hit.owner else "",
        f"changed {hit.changed[:10]}" if hit.changed else "",
        "Person Account" if hit.is_person_account else "",
        f"converted or merged from {hit.object_type} {hit.id}" if hit.leads_to else "",
    )
    return Candidate(
        object_type=kind,
        remote_id=hit.target,
        label=hit.name or hit.target,
        detail=" · ".join(fact for fact in facts if fact),
        url=client.link(kind, hit.target),
    )


def _policy(settings: SalesforceSettings, *, look_first: bool) -> Policy:
    """Return the settings' policy; where a new record may exist without our knowing, it is looked for."""
    policy = policy_of(settings)
    if not look_first or policy.external_id:
        return policy
    if policy.create == "contact":
        return replace(policy, contacts=True)
    return replace(policy, leads=True)


def looked_up(client: SalesforceClient, invitee: Invitee) -> Invitee:
    """Return the invitee with everything that has to be asked to tell who it is, in one call.

    Raises:
        IntegrationError: a look-up failed, which is never "not found".
    """
    asked = matching.look_ups(invitee.policy, invitee.findings, invitee.choice)
    inquiry = looking.Inquiry(
        asked=asked,
        key=invitee.key,
        refused=invitee.choice.refused if invitee.choice else (),
        person_accounts=invitee.policy.person_accounts,
        host=invitee.host,
        event_id=invitee.event_id,
    )
    found = looking.look_up(client, inquiry)
    findings = replace(
        invitee.findings,
        link=found["link"],
        after=found["after"],
        external=found["external"],
        contacts=found["contacts"],
        leads=found["leads"],
        accounts=found["accounts"],
        users=found["users"],
        event=found["event"],
    )
    return replace(invitee, findings=findings)


def _person(client: SalesforceClient, invitee: Invitee, answer: Answer) -> Record | None:
    if isinstance(answer, Stop):
        raise ReviewError(
            answer.reason,
            hint=_CHOOSE,
            candidates=[candidate(client, hit) for hit in answer.candidates],
            steps=rows(answer.steps),
        )
    if not isinstance(answer, Use):
        return None
    return _record(client, invitee, answer.id, kind=answer.object_type, by=answer.by)


def _record(
    client: SalesforceClient, invitee: Invitee, identifier: str, *, kind: str, by: str
) -> Record:
    linked = invitee.findings.linked
    data = {"by": by, "link": linked} if record_id(linked) else {"by": by}
    return Record(
        object_type=kind, remote_id=identifier, url=client.link(kind, identifier), data=data
    )


def _create(
    client: SalesforceClient, invitee: Invitee, answer: Create, *, fields: Mapping[str, Any]
) -> Reply:
    """Create a Lead, whose owner the organisation's assignment rules choose, or a Contact.

    A person who asked for a new record has seen what a duplicate rule warns of; one that blocks is not overruled.
    Sources: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_autoassign.htm
    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm
    """
    kind, policy, body = answer.object_type, invitee.policy, dict(fields)
    if kind == "Contact" and answer.account:
        body.setdefault("AccountId", answer.account)
    if policy.external_id:
        body[policy.external_id] = invitee.key
    by_rules = (
        kind == "Lead" and "OwnerId" not in body
    )  # rules would overrule the owner that is named
    headers = {"Sforce-Auto-Assign": "TRUE" if by_rules else "FALSE"}
    if invitee.choice and invitee.choice.verdict == "create":
        headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
    path = f"{client.data_path}/sobjects/{kind}"
    return client.send("POST", path, json_body=body, headers=headers)


def _named_by_rule(client: SalesforceClient, invitee: Invitee, reply: Reply) -> tuple[Hit, ...]:
    """Return what a duplicate rule matched; a single one is taken by its id, several are looked at to tell them apart."""
    ids = sorted(_ids_of_rule(reply))
    if len(ids) == 1 and object_of(ids[0]) in {"Contact", "Lead"} and not _refuses(invitee):
        return (Hit(object_type=object_of(ids[0]), id=ids[0]),)
    known = [one for one in ids if object_of(one)]
    if not known:
        return ()
    return looking.read(client, known, person_accounts=invitee.policy.person_accounts)


def _refuses(invitee: Invitee) -> bool:
    return bool(invitee.choice and invitee.choice.refused)


def _ids_of_rule(reply: Reply) -> Iterable[str]:
    """Return the ids that a duplicate rule matched; Salesforce spells the key `duplicateResut`."""
    detail: Mapping[str, Any] = (reply.problem and reply.problem.detail) or {}
    result = detail.get("duplicateResut") or detail.get("duplicateResult") or {}
    return {
        str(match["record"]["Id"])
        for results in result.get("matchResults") or ()
        for match in results.get("matchRecords") or ()
    }
