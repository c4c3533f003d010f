"""Django's settings, every one of them from the environment (or `.env` beside manage.py).

`CALSYNC_ENV=development` (the default) needs nothing set. `CALSYNC_ENV=production` refuses to start until
every secret is named. `.env.example` lists the variables.
"""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from config import environment, logs

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# A test run must not reach what a developer's .env names: it would write there.
if (BASE_DIR / ".env").is_file() and "PYTEST_VERSION" not in os.environ:
    environ.Env.read_env(BASE_DIR / ".env")

# What this machine keeps: development's database, keys, logs.
VAR_DIR = Path(env.str("CALSYNC_VAR_DIR", default="") or BASE_DIR / "var")

# --- which machine this is ------------------------------------------------------------------------------------------

CALSYNC_ENV = env.str("CALSYNC_ENV", default="development")
if CALSYNC_ENV not in {"development", "production"}:
    raise ImproperlyConfigured("CALSYNC_ENV must be development or production.")
PRODUCTION = CALSYNC_ENV == "production"

DEBUG = env.bool("DEBUG", default=False)
if PRODUCTION:
    environment.require(environment.HOW_TO_MAKE)
    if DEBUG:
        raise ImproperlyConfigured("DEBUG shows secrets to visitors; it is refused in production.")
    SECRET_KEY = env.str("SECRET_KEY")
    CALSYNC_VAULT_KEYS = env.list("CALSYNC_VAULT_KEYS")
else:
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    SECRET_KEY = env.str("SECRET_KEY", default="") or environment.kept_secret(
        VAR_DIR / "secret_key", environment.make_secret_key
    )
    CALSYNC_VAULT_KEYS = env.list("CALSYNC_VAULT_KEYS", default=[]) or [
        environment.kept_secret(VAR_DIR / "vault_key", environment.make_vault_key)
    ]
environment.check_vault_keys(CALSYNC_VAULT_KEYS)

# --- addresses ------------------------------------------------------------------------------------------------------

CALSYNC_PUBLIC_URL = env.str("CALSYNC_PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(CALSYNC_PUBLIC_URL)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [
    "127.0.0.1",
    "localhost",
    "[::1]",
    _public.hostname or "localhost",
]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[]) or [
    f"{_public.scheme}://{_public.netloc}"
]

CALENDLY_API_URL = env.str("CALENDLY_API_URL", default="https://api.calendly.com")
CALENDLY_AUTH_URL = env.str("CALENDLY_AUTH_URL", default="https://auth.calendly.com")
# The OAuth app that people grant access to; empty where only personal access tokens are used.
CALENDLY_CLIENT_ID = env.str("CALENDLY_CLIENT_ID", default="")
CALENDLY_CLIENT_SECRET = env.str("CALENDLY_CLIENT_SECRET", default="")
CALENDLY_WEBHOOK_SIGNING_KEY = env.str("CALENDLY_WEBHOOK_SIGNING_KEY", default="") or env.str(
    "CALENDLY_WEBHOOK_SECRET", default=""
)
SALESFORCE_LOGIN_URL = env.str("SALESFORCE_LOGIN_URL", default="https://login.salesforce.com")
SLACK_API_URL = env.str("SLACK_API_URL", default="https://slack.com/api/")

# Hosts Calsync may call; a leading dot allows every host below it. Tokens travel nowhere else.
_extra_hosts = [
    host.strip().lower() for host in env.list("CALSYNC_OUTBOUND_ALLOWED_HOSTS", default=[])
]
OUTBOUND_ALLOWED_HOSTS = (
    "api.calendly.com",
    "auth.calendly.com",
    ".salesforce.com",
    ".salesforce.mil",
    "slack.com",
    "hooks.slack.com",
    "hooks.slack-gov.com",
    *(() if PRODUCTION else environment.LOOPBACK),
    *_extra_hosts,
)
if PRODUCTION:
    environment.check_extra_hosts(_extra_hosts)
    if _public.scheme != "https":
        raise ImproperlyConfigured("CALSYNC_PUBLIC_URL must start with https:// in production.")
    environment.check_base_address("CALENDLY_API_URL", CALENDLY_API_URL, OUTBOUND_ALLOWED_HOSTS)
    environment.check_base_address("CALENDLY_AUTH_URL", CALENDLY_AUTH_URL, OUTBOUND_ALLOWED_HOSTS)
    environment.check_base_address(
        "SALESFORCE_LOGIN_URL", SALESFORCE_LOGIN_URL, OUTBOUND_ALLOWED_HOSTS
    )
    environment.check_base_address("SLACK_API_URL", SLACK_API_URL, OUTBOUND_ALLOWED_HOSTS)

# --- the road -------------------------------------------------------------------------------------------------------

SOURCES = {"calendly": "integrations.sources.calendly.source.CalendlySource"}
CONNECTORS = {
    "email": "integrations.connectors.email.connector.EmailConnector",
    "salesforce": "integrations.connectors.salesforce.connector.SalesforceConnector",
    "rest": "integrations.connectors.rest.connector.RestConnector",
    "slack": "integrations.connectors.slack.connector.SlackConnector",
    "webhook": "integrations.connectors.webhook.connector.WebhookConnector",
}

WEBHOOK_MAX_BODY_BYTES = env.int("WEBHOOK_MAX_BODY_BYTES", default=1_048_576)
# Django's own limit must not be the lower one: it answers 400, where a webhook is told 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(2_621_440, WEBHOOK_MAX_BODY_BYTES + 1)
# Calendly retries for 24 hours and may keep the first timestamp; a replay inside the window is harmless.
WEBHOOK_TOLERANCE_SECONDS = env.int("WEBHOOK_TOLERANCE_SECONDS", default=24 * 3600 + 180)
WEBHOOK_LATE_SECONDS = env.int("WEBHOOK_LATE_SECONDS", default=180)
# How long a cancellation waits for the other half of a reschedule.
RESCHEDULE_HOLD_SECONDS = env.int("RESCHEDULE_HOLD_SECONDS", default=30)
DELIVERY_LEASE_SECONDS = env.int("DELIVERY_LEASE_SECONDS", default=180)
# How long a Slack channel rests between two messages: Slack's second and a little, for the way there is not equally long
# each time.
SLACK_MESSAGE_SECONDS = env.float("SLACK_MESSAGE_SECONDS", default=1.05)
# How long failures of one cause are gathered before staff are told of them together.
ALERT_GATHER_SECONDS = env.float("ALERT_GATHER_SECONDS", default=60.0)
SWEEP_INTERVAL_SECONDS = env.float("SWEEP_INTERVAL_SECONDS", default=30.0 if PRODUCTION else 5.0)
# How often Calendly is asked how its webhook subscriptions are.
CALSYNC_WATCH_INTERVAL_SECONDS = env.float("CALSYNC_WATCH_INTERVAL_SECONDS", default=300.0)
# How long a backfill's worker may be silent before another takes its run.
BACKFILL_LEASE_SECONDS = env.int("BACKFILL_LEASE_SECONDS", default=90)
# When the nightly backfills begin, UTC; the watchdog starts them.
BACKFILL_NIGHTLY_AT = env.str("BACKFILL_NIGHTLY_AT", default="02:00")
environment.check_time_of_day("BACKFILL_NIGHTLY_AT", BACKFILL_NIGHTLY_AT)
DRAIN_BUDGET_SECONDS = env.float("DRAIN_BUDGET_SECONDS", default=20.0)

# --- Django ---------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",  # the files of the API's page, so that it asks no other host
    "bookings",
    "integrations",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: answers in place of a sign-in that is refused
]
ROOT_URLCONF = "config.urls"
# Where who signs in without coming from anywhere is led to.
LOGIN_REDIRECT_URL = "admin:index"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a webhook must be answered, not redirected
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
# Guessing passwords: after so many failures of one user from one address, that address waits. Kept in the database, so
# that it holds for all processes and without Redis.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_CLIENT_IP_CALLABLE = "integrations.admin.signing_in.address_of"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "integrations.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["integrations.api.throttling.RateThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
# Of one token, or of one person who is signed in, at the REST API.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=120)
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Calsync",
    "VERSION": "1",
    "DESCRIPTION": (
        "What Calsync knows of a Calendly calendar, and how each booking stands at Salesforce, Slack and the other destinations. "
        "Read only. Times are UTC, ISO 8601. What a user may not see of people is shown as initials, a masked address, "
        "`(hidden)` or null. Fields may be added to version 1; none is removed or changes its meaning."
    ),
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "docExpansion": "list",
        "defaultModelsExpandDepth": 0,
    },
    "PREPROCESSING_HOOKS": ["integrations.api.schema.only_served"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "integrations.api.schema.complete",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
UNFOLD = {
    "SITE_TITLE": "Calsync",
    "SITE_HEADER": "Calsync",
    "SITE_SUBHEADER": "Calendly, kept true elsewhere",
    "SITE_SYMBOL": "sync_alt",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("integrations/icon.svg"),
        }
    ],
    "SIDEBAR": {"show_search": False, "navigation": "integrations.admin.navigation.sidebar"},
    "DASHBOARD_CALLBACK": "integrations.admin.home.home",
    "STYLES": [lambda _request: static("integrations/admin.css")],
    "SCRIPTS": [lambda _request: static("integrations/names.js")],
}

# --- static files ---------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or VAR_DIR / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
if not PRODUCTION:
    WHITENOISE_USE_FINDERS = True  # no collectstatic needed
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# --- database -------------------------------------------------------------------------------------------------------

DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'calsync.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    if _database["NAME"] != ":memory:":
        _database["NAME"] = str(BASE_DIR / _database["NAME"])
    # IMMEDIATE, WAL and a busy time-out: without them a third of concurrent transactions fail as "locked".
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
        ),
    }
    # A file, so that threads and processes of a test share it.
    _database["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    # Persistent: a new connection for each request makes an acknowledgement cost 3-4 times as much.
    # Health checks would add a statement to each; views retry once instead.
    _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
    _database["CONN_HEALTH_CHECKS"] = False

# --- Celery ---------------------------------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="") or "redis://127.0.0.1:6379/0"
# What providers describe of themselves, for all processes; it may be emptied at any time, and do without Redis.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "calsync",
        "OPTIONS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
    }
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker, however long
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A message leaves the broker when it is fetched; what is unacknowledged is kept in memory, not in Redis. A worker
    # that has to write it back there would end when the broker is gone (docs/decisions/0010).
    "ack_emulation": False,
    "health_check_interval": 10,
    "socket_keepalive": True,
    "socket_timeout": 30,
    "socket_connect_timeout": 2,
    # Publishing fails fast when the broker is gone: the row is stored, the sweep finds it.
    "max_retries": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "calsync"
CELERY_TASK_IGNORE_RESULT = True
# Acknowledged before it runs: a message only says "look", so a lost one costs a sweep.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_TIME_LIMIT = 300  # where the pool has processes; drains end by their own budget
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_DB_REUSE_MAX = 1000  # tasks a connection serves before it is closed
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "integrations.tasks.sweep", "schedule": SWEEP_INTERVAL_SECONDS},
    "watch": {"task": "integrations.tasks.watch", "schedule": CALSYNC_WATCH_INTERVAL_SECONDS},
}

# --- security -------------------------------------------------------------------------------------------------------

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=PRODUCTION)
# A webhook must be answered, not redirected; health probes come from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^(webhooks|interactions)/", r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if PRODUCTION else 0)
# Other hosts of the domain are not ours to speak for.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CALSYNC_TRUST_PROXY = env.bool("CALSYNC_TRUST_PROXY", default=False)
if CALSYNC_TRUST_PROXY:
    # Only behind a proxy that always sets or strips this header.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- logging --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": [
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                logs.drop_request,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer()
                if PRODUCTION
                else structlog.processors.KeyValueRenderer(
                    key_order=["timestamp", "level", "logger", "event"]
                ),
            ],
        }
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "lines",
        }
    },
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {"django": {"handlers": [], "level": LOG_LEVEL, "propagate": True}},
}
