"""The WSGI application that gunicorn serves."""

import gc
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# What is loaded now stays. Otherwise every full collection walks all of it and stops every thread meanwhile: 120 to 160 ms.
# Source: https://docs.python.org/3/library/gc.html#gc.freeze
import_module(settings.ROOT_URLCONF)
gc.collect()
gc.freeze()
