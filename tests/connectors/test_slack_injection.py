"""A stranger's words in every place where one may stand: none gets through, and Slack's own library reads what is sent."""

import json
import re
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.models.blocks import Block
from slack_sdk.webhook import WebhookClient

from bookings.meeting import Meeting, Person
from bookings.snapshots import Answer
from integrations.connectors.base import Link, Send
from integrations.connectors.slack.card import draw_card, size
from integrations.connectors.slack.hooking import plan_message
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.routing import digest
from integrations.connectors.slack.thread import draw_reply
from tests.connectors.builders import START, make_meeting, make_task
from tests.connectors.harnesses.slack_webhook import HOOK

OPTIONS = SlackOptions(
    channel="#sales", show_answers=True, show_utm=True, mention_host=True, mask_email=False
)
ATTACKS = {
    "channel": "<!channel> now",
    "here": "<!here|all>",
    "user": "<@U0OLIVIA1>",
    "group": "<!subteam^S1|team>",
    "link": "<http://evil.example|Your bank>",
    "escaped": "&lt;!channel&gt; &amp;lt;@U1&amp;gt;",
    "marks": "*bold* _it_ ~no~ `code` ```block``` > quote",
    "lines": "one\r\n> quoted\n• *two*\u2028three\u0085four\u2029five",
    "direction": "\u202eelgoog\u202c \u2066x\u2069 \u200f\u061c",
    "control": "a\x00b\x07c\x1b[31m\x7f\u200b\ufeff\ufffb",
    "tags": "hi\U000e0041\U000e0042",
    "halves": "\ud83d half \udc00",
    "emoji": "👩‍💻🙂 :tada:",
    "huge": "A & <B> " * 2_000,
    "huge emoji": "🙂" * 5_000,
    "huge signs": "&" * 9_000,
    "date": "<!date^1^{date}^http://evil.example|x>",
    "pipe": "x|y>z",
    "blank": " \u200b ",
}
PLACES: dict[str, Any] = {
    "event type": lambda text: {"event_type_name": text},
    "name": lambda text: {"name": text},
    "invitee": lambda text: {"invitee_name": text},
    "email": lambda text: {"email": text},
    "question": lambda text: {"answers": (Answer(question=text, answer="yes"),)},
    "answer": lambda text: {"answers": (Answer(question="Q", answer=text),)},
    "utm": lambda text: {"tracking": {"utm_source": text, "utm_term": text}},
    "location": lambda text: {"location_text": text, "join_url": ""},
    "join link": lambda text: {"join_url": f"https://zoom.example/{text}", "location_text": text},
    "host": lambda text: {"hosts": (Person(name=text, email="adam@harbor.example", timezone=""),)},
    "host's address": lambda text: {"hosts": (Person(name="", email=text, timezone=""),)},
    "canceled by": lambda text: {"is_canceled": True, "canceled_by": text},
    "reason": lambda text: {"is_canceled": True, "cancel_reason": text, "canceled_by": "Ida"},
    "time zone": lambda text: {"timezone": text},
}
CASES = list(product(PLACES, ATTACKS))
#: What we write ourselves: dates, links, and the one mention that the rule asked for.
OURS = re.compile(
    r"<!date\^\d+\^\{date_long_pretty\} \{time\}\|[\w ,:]+ UTC>"
    r"|<https://(zoom|calsync|crm)\.example/[^<>|\s]*\|[^<>|]+>"
    r"|<@U0ADAM001>"
)
#: Where our own words carry marks: labels, and an old time that is struck.
OUR_MARKS = re.compile(r"^\*(Who|What|When|Host|Where|Canceled by)\*$|~(?=<)|(?<=>)~")
HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\u061c\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def meeting_with(place: str, attack: str) -> Meeting:
    return make_meeting(**PLACES[place](ATTACKS[attack]))


def texts(item: Any, kind: str) -> list[str]:
    if isinstance(item, dict):
        own = [item["text"]] if item.get("type") == kind else []
        return own + [text for value in item.values() for text in texts(value, kind)]
    if isinstance(item, list | tuple):
        return [text for value in item for text in texts(value, kind)]
    return []


def drawn(meeting: Meeting) -> dict[str, Any]:
    """The card, each line, and each message of a webhook."""
    mentions = {digest(host.email): "U0ADAM001" for host in meeting.hosts}
    links = (Link(label="Salesforce: Event", url="https://crm.example/1", object_type="Event"),)
    found = {
        "card": draw_card(
            meeting, options=OPTIONS, booking_url="https://calsync.example/1", links=links,
            mentions=mentions,
        )
    }  # fmt: skip
    told = {"hosts": [[meeting.hosts[0].name], []], "name": 1, "location_text": 1, "end_at": 1}
    for kind in ("rescheduled", "canceled", "updated"):
        task = make_task(meeting, action="post_card", kind=kind, changes=told if kind == "updated" else {})  # fmt: skip
        reply = draw_reply(task, options=OPTIONS)
        assert reply
        found[kind] = reply
    task = replace(make_task(meeting, action="post_card"), booking_url="https://calsync.example/1")
    decision = plan_message(task, options=OPTIONS)
    assert isinstance(decision, Send)
    return {**found, "webhook": decision.payload.message}


@pytest.mark.parametrize(("place", "attack"), CASES)
def test_nothing_gets_through(place, attack):
    for message in drawn(meeting_with(place, attack)).values():
        shown = json.dumps(message.blocks, ensure_ascii=False)
        for marked in texts(message.blocks, "mrkdwn"):
            rest = OURS.sub("", OUR_MARKS.sub("", marked))
            assert "<" not in rest
            assert ">" not in rest
            assert not set(rest.replace("Rescheduled from  to", "")) & set("*~`")
            assert not re.search(r"&(?!amp;|lt;|gt;)", rest)
        assert not set(message.text) & set("<>*~`\n")
        assert not re.search(r"(?<!\w)_|_(?!\w)", message.text)
        assert not re.search(r"&(?!amp;|lt;|gt;)", message.text)
        assert not HIDDEN.search(message.text)
        assert not any(HIDDEN.search(text) for text in texts(message.blocks, "plain_text"))
        assert all(item["emoji"] is False for item in _objects(message.blocks, "plain_text"))
        assert all(item["verbatim"] is True for item in _objects(message.blocks, "mrkdwn"))
        shown.encode("utf-8")


@pytest.mark.parametrize(("place", "attack"), CASES)
def test_slacks_own_library_takes_every_block(place, attack):
    for message in drawn(meeting_with(place, attack)).values():
        blocks = json.loads(json.dumps(message.blocks))
        read = [block.to_dict() for block in Block.parse_all(blocks)]
        assert len(read) == len(blocks) <= 49
        assert [block["type"] for block in read] == [block["type"] for block in blocks]
        assert size(blocks) < 9_000
        assert len(message.text.encode("utf-16-le")) // 2 <= 4_000
        assert all(len(text) <= 2_000 for text in texts(blocks, "mrkdwn") if "Calsync" not in text)


def test_everything_at_once_and_huge_is_taken_and_leaves_room_for_a_block(to_slack):
    huge = 'A&"<\\🙂' * 2_000
    meeting = make_meeting(
        name=huge, event_type_name=huge + "x", invitee_name=huge, email=f"{huge}@x.example", location_text=huge,
        join_url="https://zoom.example/" + "&" * 350, canceled_by=huge, is_canceled=True, cancel_reason=huge,
        previous_start_at=START.replace(day=2), reschedule_count=9, guests=("a",) * 9,
        hosts=tuple(Person(name=huge, email=f"{n}@x.example", timezone="") for n in range(30)),
        answers=tuple(Answer(question=huge, answer=huge) for _ in range(100)),
        tracking={f"utm_{name}": huge for name in ("source", "medium", "campaign", "term", "content")},
    )  # fmt: skip
    links = tuple(
        Link(label=f"Salesforce: {n}", url="https://crm.example/" + "a" * 400, object_type=str(n))
        for n in range(20)
    )

    card = draw_card(meeting, options=OPTIONS, booking_url="https://calsync.example/1", links=links)

    blocks = json.loads(json.dumps(card.blocks))
    assert size(blocks) < 9_000
    assert "more answers" in json.dumps(blocks)
    to_slack.options = {"channel": "#sales", "show_answers": True, "show_utm": True}
    to_slack.deliver(meeting, links=links)
    assert to_slack.server.state.slack.messages["C0SALES01"][0]["blocks"]


def test_slacks_own_clients_post_what_we_draw(sandbox):
    meeting = meeting_with("answer", "link")
    found = drawn(meeting)
    web = WebClient("xoxb-sandbox", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])
    hook = WebhookClient(f"{sandbox.url}/slack/services/{HOOK}", retry_handlers=[])
    read = Block.parse_all(json.loads(json.dumps(found["card"].blocks)))

    posted = web.chat_postMessage(channel="#sales", text=found["card"].text, blocks=read)
    web.chat_update(channel=posted["channel"], ts=posted["ts"], text="x", blocks=read)
    message = found["webhook"]
    answer = hook.send(text=message.text, blocks=list(message.blocks))

    assert posted["ok"]
    assert (answer.status_code, answer.body) == (200, "ok")


def _objects(item: Any, kind: str) -> list[Any]:
    if isinstance(item, dict):
        own = [item] if item.get("type") == kind else []
        return own + [found for value in item.values() for found in _objects(value, kind)]
    if isinstance(item, list | tuple):
        return [found for value in item for found in _objects(value, kind)]
    return []
