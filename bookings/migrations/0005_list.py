"""What the list of bookings is searched and narrowed by, at any size."""

from django.db import Error, migrations, models, transaction

_CHUNK = 1000
_LONGEST_ANSWER = 200
_INDEX = "booking_search"
_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_MAKE_INDEX = f"CREATE INDEX IF NOT EXISTS {_INDEX} ON bookings_booking USING gin (search_text gin_trgm_ops)"
_WITHOUT = f"""
This role may not create the extension pg_trgm ({{error}}). Calsync works without it; searching bookings reads the whole table.
To have it fast, let an administrator of the database run: {_EXTENSION}; {_MAKE_INDEX};
"""


def fill(apps, schema_editor):
    """Write the text of the bookings that are there, as `bookings.searching` does of new ones."""
    rows = apps.get_model("bookings", "Booking").objects.order_by("pk").only("name")
    told = apps.get_model("bookings", "Invitee").objects.order_by("created_at", "id")
    told = told.only("booking_id", "name", "email", "answers")
    last = 0
    while chunk := list(rows.filter(pk__gt=last).prefetch_related(models.Prefetch("invitees", told))[:_CHUNK]):
        for booking in chunk:
            booking.search_text = _text(booking)
        rows.bulk_update(chunk, ["search_text"])
        last = chunk[-1].pk


def _text(booking):
    said = [booking.name]
    for invitee in booking.invitees.all():
        said += [invitee.name, invitee.email]
        said += [str(answer.get("answer") or "")[:_LONGEST_ANSWER] for answer in invitee.answers]
    return "".join(f" {word}" for word in " ".join(said).casefold().split())


def make_index(apps, schema_editor):
    """Make the index that finds a part of a text; PostgreSQL alone has one, in an extension that comes with it."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
            cursor.execute(_EXTENSION)
            cursor.execute(_MAKE_INDEX)
    except Error as error:
        print(_WITHOUT.format(error=str(error).strip()))


def drop_index(apps, schema_editor):
    """Drop the index; the extension may serve others."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {_INDEX}")


class Migration(migrations.Migration):

    dependencies = [
        ("bookings", "0004_api"),
    ]

    operations = [
        migrations.AddField(
            model_name='booking',
            name='search_text',
            field=models.TextField(blank=True, editable=False, help_text='What staff find it by, folded: its name, its invitees, their addresses and answers.'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('erased_at__isnull', False)), fields=['-start_at', '-id'], name='booking_erased'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('source_updated_at__isnull', True)), fields=['-start_at', '-id'], name='booking_mentioned'),
        ),
        migrations.AddIndex(
            model_name='invitee',
            index=models.Index(condition=models.Q(('vanished_at__isnull', False)), fields=['-id'], name='invitee_vanished'),
        ),
        migrations.AddIndex(
            model_name='invitee',
            index=models.Index(condition=models.Q(('erased_at__isnull', False)), fields=['-id'], name='invitee_erased'),
        ),
        migrations.AddIndex(
            model_name='invitee',
            index=models.Index(condition=models.Q(('source_updated_at__isnull', True)), fields=['-id'], name='invitee_mentioned'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(make_index, drop_index),
    ]
