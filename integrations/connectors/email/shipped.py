"""The templates that come with Calsync. Staff change one by storing another under its name.

The HTML is what stands between `layout.wrap`'s frame; where it is empty, it is made from the text.
"""

from collections.abc import Mapping

from integrations.models import MailTemplate

_WHEN = (
    '{{ booking.start_at|local:recipient.timezone|date:"l, j F Y, H:i" }} to '
    '{{ booking.end_at|local:recipient.timezone|date:"H:i" }} ({{ recipient.timezone }})'
)
_PLACE = "{% if booking.join_url %}Join: {{ booking.join_url }}{% elif booking.location %}Where: {{ booking.location }}{% endif %}"
_CHANGE = (
    "{% if booking.reschedule_url %}Reschedule: {{ booking.reschedule_url }}\n{% endif %}"
    "{% if booking.cancel_url %}Cancel: {{ booking.cancel_url }}{% endif %}"
)
_GREETING = "Hello{% if recipient.name %} {{ recipient.name }}{% endif %},"

_FACTS = f"""<dl class="facts">
  <dt>When</dt><dd>{_WHEN}</dd>
  <dt>With</dt><dd>{{{{ host.name|default:host.email|default:"your host" }}}}</dd>
  {{% if booking.location and not booking.join_url %}}<dt>Where</dt><dd>{{{{ booking.location }}}}</dd>{{% endif %}}
</dl>"""
_JOIN = """{% if booking.join_url %}<p><a class="button" href="{{ booking.join_url }}">Join the meeting</a></p>{% endif %}"""
_CHANGE_HTML = (
    """{% if booking.reschedule_url %}<p class="quiet">Something came up? """
    """<a href="{{ booking.reschedule_url }}">Reschedule</a>"""
    """{% if booking.cancel_url %} or <a href="{{ booking.cancel_url }}">cancel</a>{% endif %}.</p>{% endif %}"""
)
_ABOUT_INVITEE = f"""<dl class="facts">
  <dt>Who</dt><dd>{{{{ invitee.name|default:invitee.email }}}}{{% if invitee.company %}}, {{{{ invitee.company }}}}{{% endif %}}<br><span class="quiet">{{{{ invitee.email }}}}{{% if invitee.phone %}}, {{{{ invitee.phone }}}}{{% endif %}}</span></dd>
  <dt>When</dt><dd>{_WHEN}</dd>
  {{% if booking.location and not booking.join_url %}}<dt>Where</dt><dd>{{{{ booking.location }}}}</dd>{{% endif %}}
  {{% for item in answers %}}<dt>{{{{ item.question }}}}</dt><dd>{{{{ item.answer|default:"-" }}}}</dd>{{% endfor %}}
</dl>"""
_ABOUT_INVITEE_TEXT = f"""Who: {{{{ invitee.name }}}} <{{{{ invitee.email }}}}>{{% if invitee.company %}}, {{{{ invitee.company }}}}{{% endif %}}
When: {_WHEN}
{_PLACE}
{{% for item in answers %}}
{{{{ item.question }}}}
  {{{{ item.answer|default:"-" }}}}
{{% endfor %}}"""


def _made(name: str, label: str, *, subject: str, text: str, html: str) -> MailTemplate:
    return MailTemplate(name=name, label=label, subject=subject, text=text, html=html)


def _templates() -> tuple[MailTemplate, ...]:
    return (
        _made(
            "confirmation", "Confirmation",
            subject="Confirmed: {{ event_type.name }} with {{ host.name|default:\"us\" }}",
            text=f"{_GREETING}\n\nyour meeting is confirmed.\n\n{{{{ event_type.name }}}}\n{_WHEN}\n{_PLACE}\n\n{_CHANGE}\n",
            html=f"<h1>You are booked</h1><p>{_GREETING} your meeting <strong>{{{{ event_type.name }}}}</strong> is confirmed.</p>{_FACTS}{_JOIN}{_CHANGE_HTML}",
        ),
        _made(
            "rescheduled", "Rescheduled",
            subject="New time: {{ event_type.name }}",
            text=f"{_GREETING}\n\nyour meeting has a new time.\n\n{{{{ event_type.name }}}}\n{_WHEN}\n{_PLACE}\n\n{_CHANGE}\n",
            html=f"<h1>A new time</h1><p>{_GREETING} your meeting <strong>{{{{ event_type.name }}}}</strong> was moved.</p>{_FACTS}{_JOIN}{_CHANGE_HTML}",
        ),
        _made(
            "canceled", "Canceled",
            subject="Canceled: {{ event_type.name }}",
            text=f"{_GREETING}\n\nthis meeting will not take place:\n\n{{{{ event_type.name }}}}\n{_WHEN}\n{{% if booking.cancel_reason %}}Reason: {{{{ booking.cancel_reason }}}}\n{{% endif %}}",
            html=f"<h1>Canceled</h1><p>{_GREETING} <strong>{{{{ event_type.name }}}}</strong> will not take place.</p>{_FACTS}{{% if booking.cancel_reason %}}<p class=\"quote\">{{{{ booking.cancel_reason }}}}</p>{{% endif %}}",
        ),
        _made(
            "invitation", "Calendar invitation",
            subject="{% if booking.reschedule_count %}Updated invitation{% else %}Invitation{% endif %}: {{ event_type.name }}",
            text=f"{{{{ event_type.name }}}}\n{_WHEN}\n{_PLACE}\n\nThe invitation is attached, for your calendar.\n\n{_CHANGE}\n",
            html=f"<h1>{{{{ event_type.name }}}}</h1>{_FACTS}{_JOIN}<p class=\"quiet\">The invitation is attached, for your calendar.</p>{_CHANGE_HTML}",
        ),
        _made(
            "removed", "No longer a participant",
            subject="No longer a participant: {{ event_type.name }}",
            text=f"{_GREETING}\n\nyou are no longer a participant of this meeting:\n\n{{{{ event_type.name }}}}\n{_WHEN}\n\nYou need not do anything.\n",
            html=f"<h1>No longer a participant</h1><p>{_GREETING} you are no longer a participant of <strong>{{{{ event_type.name }}}}</strong>, and need not do anything.</p>{_FACTS}",
        ),
        _made(
            "questionnaire", "Intake questionnaire",
            subject="Before we meet: a few questions",
            text=f"{_GREETING}\n\nbefore {{{{ event_type.name }}}} on {_WHEN}, please answer a few questions:\n\n{{{{ options.questionnaire_url }}}}\n\nIt helps us to prepare.\n",
            html=f"<h1>Before we meet</h1><p>{_GREETING} please answer a few questions, so that we are prepared.</p>{_FACTS}{{% if options.questionnaire_url %}}<p><a class=\"button\" href=\"{{{{ options.questionnaire_url }}}}\">Open the questionnaire</a></p>{{% endif %}}",
        ),
        _made(
            "questionnaire_late", "Too late for the questionnaire",
            subject="No questionnaire was sent: {{ event_type.name }} with {{ invitee.name|default:invitee.email }}",
            text=f"{{{{ event_type.name }}}} was booked at short notice, so that no questionnaire was sent.{{% if options.questionnaire_url %}} You may want to send it yourself: {{{{ options.questionnaire_url }}}}{{% endif %}}\n\n{_ABOUT_INVITEE_TEXT}\nIn Calsync: {{{{ booking.url }}}}\n",
            html=f"<h1>No questionnaire was sent</h1><p><strong>{{{{ event_type.name }}}}</strong> was booked at short notice.</p>{{% if options.questionnaire_url %}}<p>You may want to send it yourself: <a href=\"{{{{ options.questionnaire_url }}}}\">the questionnaire</a>.</p>{{% endif %}}{_ABOUT_INVITEE}{{% if booking.url %}}<p class=\"quiet\"><a href=\"{{{{ booking.url }}}}\">Open in Calsync</a></p>{{% endif %}}",
        ),
        _made(
            "reminder", "Reminder before the meeting",
            subject="Reminder: {{ event_type.name }} with {{ host.name|default:\"us\" }}",
            text=f"{_GREETING}\n\nthis is a reminder of your meeting:\n\n{{{{ event_type.name }}}}\n{_WHEN}\n{_PLACE}\n{{% if options.questionnaire_url %}}\nPlease answer a few questions before: {{{{ options.questionnaire_url }}}}\n{{% endif %}}\n{_CHANGE}\n",
            html=f"<h1>See you soon</h1><p>{_GREETING} this is a reminder of <strong>{{{{ event_type.name }}}}</strong>.</p>{_FACTS}{_JOIN}{{% if options.questionnaire_url %}}<p>Please answer a few questions before: <a href=\"{{{{ options.questionnaire_url }}}}\">open the questionnaire</a>.</p>{{% endif %}}{_CHANGE_HTML}",
        ),
        _made(
            "hiring_manager", "For the hiring manager",
            subject="{{ booking.status|capfirst }}: {{ invitee.name|default:invitee.email }}, {{ event_type.name }}",
            text=f"{{{{ event_type.name }}}} with a candidate: {{{{ booking.status }}}}.\n\n{_ABOUT_INVITEE_TEXT}\nIn Calsync: {{{{ booking.url }}}}\n",
            html=f"<h1>{{{{ booking.status|capfirst }}}}: {{{{ event_type.name }}}}</h1>{_ABOUT_INVITEE}{_JOIN}{{% if booking.url %}}<p class=\"quiet\"><a href=\"{{{{ booking.url }}}}\">Open in Calsync</a></p>{{% endif %}}",
        ),
        _made(
            "host_notice", "For the host",
            subject="{{ booking.status|capfirst }}: {{ event_type.name }} with {{ invitee.name|default:invitee.email }}",
            text=f"{{{{ event_type.name }}}}: {{{{ booking.status }}}}.\n\n{_ABOUT_INVITEE_TEXT}{{% if booking.is_canceled %}}Canceled by {{{{ booking.canceled_by }}}} {{{{ booking.cancel_reason }}}}\n{{% endif %}}\nIn Calsync: {{{{ booking.url }}}}\n",
            html=f"<h1>{{{{ booking.status|capfirst }}}}: {{{{ event_type.name }}}}</h1>{_ABOUT_INVITEE}{{% if booking.is_canceled %}}<p class=\"quote\">Canceled{{% if booking.canceled_by %}} by {{{{ booking.canceled_by }}}}{{% endif %}}{{% if booking.cancel_reason %}}: {{{{ booking.cancel_reason }}}}{{% endif %}}</p>{{% else %}}{_JOIN}{{% endif %}}{{% if booking.url %}}<p class=\"quiet\"><a href=\"{{{{ booking.url }}}}\">Open in Calsync</a></p>{{% endif %}}",
        ),
        _made(
            "no_show_follow_up", "After a no-show",
            subject="We missed you: {{ event_type.name }}",
            text=f"{_GREETING}\n\nwe missed you at {{{{ event_type.name }}}} on {_WHEN}.\n\n{{% if booking.reschedule_url %}}Choose another time: {{{{ booking.reschedule_url }}}}{{% endif %}}\n",
            html=f"<h1>We missed you</h1><p>{_GREETING} we waited for you at <strong>{{{{ event_type.name }}}}</strong>.</p>{_FACTS}{{% if booking.reschedule_url %}}<p><a class=\"button\" href=\"{{{{ booking.reschedule_url }}}}\">Choose another time</a></p>{{% endif %}}",
        ),
    )  # fmt: skip


#: Each shipped template by its name.
SHIPPED: Mapping[str, MailTemplate] = {item.name: item for item in _templates()}
