"""Who an invitee is in Salesforce: every combination of settings, findings and a person's answer, without a network."""

import itertools
from dataclasses import replace
from functools import cache

import pytest

from bookings.free_mail import FREE_MAIL
from integrations.connectors.base import Choice, Record
from integrations.connectors.salesforce.findings import (
    Create,
    Findings,
    Hit,
    Nobody,
    Policy,
    Stop,
    Use,
    policy_of,
)
from integrations.connectors.salesforce.free_mail import company_domain, website_domain
from integrations.connectors.salesforce.identifiers import object_of, record_id
from integrations.connectors.salesforce.matching import STEPS, known, look_ups, resolve
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.sandbox.salesforce.ids import make_id

EMAIL = "ida@customer.example"
LINKED, STORED, CHOSEN = (make_id(prefix, 900) for prefix in ("003", "00Q", "003"))
ACCOUNT = make_id("001", 900)
MANY = {"none": 0, "one": 1, "several": 2}


@cache
def hits(prefix, start, how):
    """Return so many hits of an object, each changed a day after the one before."""
    return tuple(
        Hit(object_type=object_of(prefix), id=make_id(prefix, start + number), changed=f"2026-11-0{number + 1}", website="customer.example")
        for number in range(MANY.get(how, 0))
    )  # fmt: skip


def stored_record(identifier=STORED, **data):
    return Record(object_type=object_of(identifier), remote_id=identifier, data=data)


CHOICES = {
    "unasked": None,
    "use": Choice(verdict="use", record=Record(object_type="Contact", remote_id=CHOSEN)),
    "account": Choice(verdict="use", record=Record(object_type="Account", remote_id=ACCOUNT)),
    "create": Choice(verdict="create"),
    "nobody": Choice(verdict="nobody"),
}
STEP_STATES = ("off", *MANY)


def expected(*, link, choice, stored, steps, create, ambiguous, blocked):
    """Return what the order of the steps says, written down a second time and in another way."""
    if link == "found":
        return ("use", LINKED)
    if choice == "nobody":
        return ("nobody",)
    if choice == "use":
        return ("use", CHOSEN)
    if stored:
        return ("use", STORED)
    for found in steps:
        if len(found) > 1:
            return ("use", found[-1].id) if ambiguous == "newest" else ("stop",)
        if found:
            return ("use", found[0].id)
    return created(choice=choice, create=create, ambiguous=ambiguous, blocked=blocked)


def created(*, choice, create, ambiguous, blocked):
    accounts = hits("001", 50, blocked["accounts"])
    wanted = {"lead": "Lead", "contact": "Contact", "nothing": "Lead" if choice == "create" else ""}
    kind = "Contact" if choice == "account" else wanted[create]
    if kind == "Contact" and choice != "account" and len(accounts) > 1 and ambiguous == "review":
        return ("stop",)
    if not kind:
        return ("nobody",)
    if blocked["rule"] != "no":
        named = hits("003", 70, blocked["rule"])
        if len(named) == 1 or (named and ambiguous == "newest"):
            return ("use", named[-1].id)
        return ("stop",)
    into = ACCOUNT if choice == "account" else accounts[-1].id if accounts else ""
    return ("create", kind, into if kind == "Contact" else "")


def told(answer):
    match answer:
        case Use():
            return ("use", answer.id)
        case Create():
            return ("create", answer.object_type, answer.account)
        case Nobody():
            return ("nobody",)
        case Stop():
            return ("stop",)
    raise AssertionError(answer)


@pytest.mark.parametrize("create", ["lead", "contact", "nothing"])
@pytest.mark.parametrize("ambiguous", ["review", "newest"])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("link", ["off", "found", "missing"])
def test_every_combination_has_the_one_answer_that_the_order_of_steps_gives(
    link, choice, ambiguous, create
):
    table = itertools.product(
        (False, True), STEP_STATES, STEP_STATES, STEP_STATES, STEP_STATES, ("no", *MANY)
    )
    for stored, external, contacts, leads, accounts, rule in table:
        policy = Policy(
            link=link != "off", external_id="" if external == "off" else "Ext__c", contacts=contacts != "off",
            leads=leads != "off", accounts=accounts != "off", create=create, when_ambiguous=ambiguous,
        )  # fmt: skip
        found = (hits("003", 10, external), hits("003", 20, contacts), hits("00Q", 30, leads))
        findings = Findings(
            email=EMAIL, linked=LINKED, stored=stored_record() if stored else None,
            link=(Hit(object_type="Contact", id=LINKED),) if link == "found" else (), external=found[0],
            contacts=found[1], leads=found[2], accounts=hits("001", 50, accounts), blocked=rule != "no",
            duplicates=hits("003", 70, rule),
        )  # fmt: skip

        answer = resolve(policy, findings, CHOICES[choice])

        assert told(answer) == expected(
            link=link, choice=choice, stored=stored, steps=found, create=create, ambiguous=ambiguous,
            blocked={"accounts": accounts, "rule": rule},
        ), (policy, findings)  # fmt: skip
        assert [step.name for step in answer.steps] == list(STEPS)
        assert all(step.detail.endswith(".") for step in answer.steps)
        if isinstance(answer, Stop):
            assert len({hit.target for hit in answer.candidates}) == len(answer.candidates)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("create", ["lead", "contact", "nothing"])
def test_without_an_address_nobody_is_looked_for_or_made(choice, create):
    answer = resolve(Policy(create=create), Findings(), CHOICES[choice])

    assert told(answer) == (("use", CHOSEN) if choice == "use" else ("nobody",))


def test_each_step_says_why_it_did_not_decide_and_the_later_ones_that_they_were_not_needed():
    policy = Policy(leads=False)
    contact = hits("003", 1, "one")

    answer = resolve(policy, Findings(email=EMAIL, contacts=contact))

    details = {step.name: step.detail for step in answer.steps}
    assert details == {
        "link": "The booking's link carried no record id.",
        "answer": "No person was asked about this invitee.",
        "stored": "Nothing is stored for this meeting yet.",
        "external id": "Off in the connection's settings.",
        "contact": f"Contact {contact[0].id} has this e-mail address.",
        "lead": "Not needed.",
        "account": "Not needed.",
        "create": "Not needed.",
    }


LEAD, CONTACT = make_id("00Q", 1), make_id("003", 2)
CONVERTED = Hit(object_type="Lead", id=LEAD, leads_to=CONTACT, ended=True)


def test_a_converted_lead_is_followed_to_its_contact():
    answer = resolve(Policy(), Findings(email=EMAIL, leads=(CONVERTED,)))

    assert isinstance(answer, Use)
    assert (answer.object_type, answer.id) == ("Contact", CONTACT)


def test_a_converted_lead_and_the_contact_it_became_are_one():
    also = Hit(object_type="Contact", id=CONTACT)

    answer = resolve(Policy(external_id="Ext__c"), Findings(external=(also, CONVERTED)))

    assert told(answer) == ("use", CONTACT)


def test_a_converted_lead_whose_contact_is_hidden_is_nobody():
    hidden = replace(CONVERTED, leads_to="")

    assert told(resolve(Policy(), Findings(email=EMAIL, leads=(hidden,)))) == ("create", "Lead", "")


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        ((), ("create", "Lead", "")),
        ((Hit(object_type="Lead", id=STORED, ended=True),), ("create", "Lead", "")),
        ((Hit(object_type="Lead", id=STORED),), ("create", "Lead", "")),
        ((Hit(object_type="Lead", id=STORED, ended=True, leads_to=CONTACT),), ("use", CONTACT)),
        ((Hit(object_type="Lead", id=STORED, ended=True, leads_to=LEAD),), ("use", LEAD)),
    ],
)
def test_what_is_gone_is_followed_where_something_came_of_it(after, answer):
    findings = Findings(email=EMAIL, stored=stored_record(), gone=frozenset({STORED}), after=after)

    assert told(resolve(Policy(), findings)) == answer


def test_a_choice_that_is_gone_asks_again_even_where_one_is_left():
    left = hits("003", 1, "one")
    findings = Findings(email=EMAIL, gone=frozenset({CHOSEN}), contacts=left)

    answer = resolve(Policy(when_ambiguous="newest"), findings, CHOICES["use"])

    assert isinstance(answer, Stop)
    assert answer.candidates == left
    assert "is gone" in answer.reason


def test_a_choice_that_was_merged_is_followed():
    after = (Hit(object_type="Contact", id=CHOSEN, ended=True, leads_to=CONTACT),)
    findings = Findings(email=EMAIL, gone=frozenset({CHOSEN}), after=after)

    assert told(resolve(Policy(), findings, CHOICES["use"])) == ("use", CONTACT)


def test_a_new_record_is_none_of_the_refused_but_one_that_came_since():
    old, since = hits("003", 1, "several"), hits("003", 9, "one")
    refused = Choice(verdict="create", refused=tuple(hit.id for hit in old))

    def answer(contacts, stored=None):
        found = Findings(email=EMAIL, contacts=contacts, stored=stored)
        return told(resolve(Policy(), found, refused))

    assert answer(old) == ("create", "Lead", "")
    assert answer((*old, *since)) == ("use", since[0].id)
    assert answer(old, stored_record(old[0].id)) == ("create", "Lead", "")
    assert answer(old, stored_record()) == ("use", STORED)


def test_a_link_goes_before_what_a_person_refused():
    refused = Choice(verdict="create", refused=(LINKED,))
    findings = Findings(email=EMAIL, linked=LINKED, link=(Hit(object_type="Contact", id=LINKED),))

    assert told(resolve(Policy(), findings, refused)) == ("use", LINKED)


def test_a_blocked_new_record_names_what_was_refused_to_choose_from():
    old = hits("003", 1, "several")
    refused = Choice(verdict="create", refused=tuple(hit.id for hit in old))

    answer = resolve(Policy(), Findings(email=EMAIL, blocked=True, duplicates=old), refused)

    assert isinstance(answer, Stop)
    assert answer.candidates == old


def test_only_the_account_whose_website_it_is_gets_the_contact():
    other = Hit(object_type="Account", id=make_id("001", 1), website="notcustomer.example")
    person = Hit(object_type="Account", id=make_id("001", 2), website="customer.example", is_person_account=True)  # fmt: skip
    right = Hit(object_type="Account", id=make_id("001", 3), website="https://www.Customer.example/de")  # fmt: skip
    policy = Policy(accounts=True, create="contact")

    answer = resolve(policy, Findings(email=EMAIL, accounts=(other, person, right)))

    assert told(answer) == ("create", "Contact", right.id)


def test_a_lead_is_not_put_into_the_account_and_it_is_said():
    answer = resolve(Policy(accounts=True), Findings(email=EMAIL, accounts=hits("001", 1, "one")))

    assert told(answer) == ("create", "Lead", "")
    assert "A Lead is not put into it." in {s.name: s.detail for s in answer.steps}["account"]


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("Ida@Customer.Example", "customer.example"),
        ("ida@gmail.com", ""),
        ("ida@GMX.de", ""),
        ("ida@extra.example", ""),
        ("ida@localhost", ""),
        ("ida@%.example", ""),
        ("", ""),
    ],
)
def test_a_free_mailbox_is_no_company(email, domain):
    free = policy_of(SalesforceSettings(free_mail_domains=["@Extra.example"])).free_mail

    assert free > FREE_MAIL
    assert company_domain(email, free_mail=free) == domain


@pytest.mark.parametrize(
    "website",
    [
        "acme.com",
        "www.acme.com",
        "http://acme.com/",
        "HTTPS://WWW.ACME.COM:443/x?y#z",
        " acme.com ",
    ],
)
def test_a_website_is_read_however_it_is_written(website):
    assert website_domain(website) == "acme.com"


@pytest.mark.parametrize("text", ["", "notacme.com", "mail.acme.com"])
def test_another_website_is_another_domain(text):
    assert website_domain(text) != "acme.com"


def test_ids_are_read_in_both_lengths_and_from_the_address_of_a_page():
    for prefix in ("003", "00Q", "001"):
        whole = make_id(prefix, 12345)
        page = "https://acme.lightning.force.com"
        for text in (
            whole, whole[:15], f" {whole} ", f"{page}/lightning/r/Contact/{whole}/view", f"{page}/lightning/r/{whole}/view?ws=1",
            f"{page}/{whole[:15]}",
        ):  # fmt: skip
            assert record_id(text) == whole


@pytest.mark.parametrize(
    "text",
    ["", "003", "x" * 16, make_id("003", 1)[:17] + "?", CONTACT[:-1] + ("A" if CONTACT[-1] != "A" else "B"), "003' OR Id != '1", CONTACT.lower()],
)  # fmt: skip
def test_what_is_no_id_is_none(text):
    assert record_id(text) == ""


@pytest.mark.parametrize(
    ("linked", "asks"),
    [
        ("", False),
        ("something else", False),
        (make_id("006", 1), False),
        (make_id("001", 1), False),
        (LINKED, True),
        (LINKED[:15], True),
        (LEAD, True),
    ],
)
def test_a_link_is_asked_for_only_where_it_names_a_person(linked, asks):
    stored = stored_record()

    asked = look_ups(Policy(), Findings(email=EMAIL, linked=linked, stored=stored))

    assert bool(asked) == asks
    assert asked.get("link") == (record_id(linked) if asks else None)
    assert not look_ups(Policy(link=False), Findings(email=EMAIL, linked=linked, stored=stored))


@pytest.mark.parametrize(("by", "answer"), [("link", "link"), ("contact", "stored")])
def test_a_link_that_was_seen_is_not_asked_for_again(by, answer):
    stored = stored_record(by=by, link=LINKED)

    found = known(Policy(), Findings(email=EMAIL, linked=LINKED, stored=stored))

    assert isinstance(found, Use)
    assert (found.id, found.by) == (STORED, answer)


def test_a_person_account_is_linked_by_its_account_where_the_org_has_them():
    linked, contact = make_id("001", 5), make_id("003", 5)
    hit = Hit(object_type="Account", id=linked, leads_to=contact)
    findings = Findings(email=EMAIL, linked=linked, link=(hit,))

    assert told(resolve(Policy(person_accounts=True), findings)) == ("use", contact)
    assert told(resolve(Policy(), findings)) == ("create", "Lead", "")


@pytest.mark.parametrize(
    ("findings", "choice"),
    [
        (Findings(email=EMAIL, stored=stored_record()), None),
        (Findings(email=EMAIL), CHOICES["use"]),
        (Findings(email=EMAIL), CHOICES["nobody"]),
        (Findings(), None),
    ],
)
def test_what_is_known_asks_nobody(findings, choice):
    assert look_ups(Policy(), findings, choice) == {}
    assert known(Policy(), findings, choice) is not None


def test_what_is_off_is_not_asked():
    everything = Policy(external_id="Ext__c", accounts=True)

    assert set(look_ups(everything, Findings(email=EMAIL, linked=LINKED))) == {
        "link", "external", "contacts", "leads", "accounts",
    }  # fmt: skip
    assert look_ups(Policy(contacts=False, leads=False), Findings(email=EMAIL)) == {}
