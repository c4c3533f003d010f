"""The Celery application; its options are the `CELERY_` settings."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("calsync")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_options: Any) -> None:
    """Leave LOGGING as Django set it: Celery configures the root logger unless somebody answers this signal."""
