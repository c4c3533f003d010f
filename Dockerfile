FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements.lock

COPY manage.py ./
COPY config config
COPY bookings bookings
COPY integrations integrations
COPY templates templates

# Static files carry hashes in production, so they are collected as production. The values are for this step only.
ENV STATIC_ROOT=/app/static
RUN CALSYNC_ENV=production SECRET_KEY=build DATABASE_URL=postgres:///build REDIS_URL=redis://build \
    ALLOWED_HOSTS=build CALSYNC_PUBLIC_URL=https://build \
    CALSYNC_VAULT_KEYS=$(python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())") \
    python manage.py collectstatic --noinput \
    && python -m compileall -q config bookings integrations \
    && useradd --system --no-create-home calsync

USER calsync
ENV CALSYNC_ENV=production
EXPOSE 8000

# Sent as the public host: any other name is refused, and rightly.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["python", "-c", "\
import os, urllib.parse, urllib.request as r; \
host = urllib.parse.urlsplit(os.environ['CALSYNC_PUBLIC_URL']).netloc; \
r.urlopen(r.Request('http://127.0.0.1:8000/healthz', headers={'Host': host}), timeout=4)"]

CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", \
     "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--max-requests", "20000", "--max-requests-jitter", "2000"]
