"""Addresses: the admin, and everything integrations answers."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from integrations.admin.autocomplete import AutocompleteView
from integrations.admin.home import status

_autocomplete = AutocompleteView.as_view(admin_site=admin.site)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/status/", admin.site.admin_view(status), name="home_status"),
    path("admin/autocomplete/", admin.site.admin_view(_autocomplete)),
    path("admin/", admin.site.urls),
    path("", include("integrations.urls")),
]
