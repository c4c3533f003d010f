from django.db import migrations

# Django's own table has no index for its newest rows of one person, one kind or one day.
_INDEXES = {
    'calsync_log_by_time': 'action_time',
    'calsync_log_by_user': 'user_id, id',
    'calsync_log_by_kind': 'action_flag, id',
}


def make_groups(apps, schema_editor):
    from integrations import roles

    roles.make_groups()


class Migration(migrations.Migration):

    dependencies = [
        ("integrations", "0014_simulate"),
        ('bookings', '0003_staff'),
        ('admin', '0003_logentry_add_action_flag_choices'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        *(
            migrations.RunSQL(
                f'CREATE INDEX {name} ON django_admin_log ({columns})', f'DROP INDEX {name}'
            )
            for name, columns in _INDEXES.items()
        ),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
