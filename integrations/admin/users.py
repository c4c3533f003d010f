"""Users and groups, in the look of the rest; nobody gives rights that they do not have."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from bookings.browsing import ModelAdmin
from integrations.roles import name_of

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Who may sign in, and what each may do.

    Only a superuser makes superusers, gives permissions one by one, or changes somebody who may do more than they
    themselves: whoever sets a password could sign in as that user.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("last_login", "date_joined")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leave to superusers what would lift somebody above everybody else."""
        fixed = () if request.user.is_superuser else ("is_superuser", "user_permissions")
        return (*super().get_readonly_fields(request, obj), *fixed)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the groups whose permissions this person has themselves."""
        if db_field.name == "groups" and not request.user.is_superuser:
            kwargs["queryset"] = groups_within(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse to change who may do more than this person."""
        return super().has_change_permission(request, obj) and _reaches(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse to delete who may do more than this person."""
        return super().has_delete_permission(request, obj) and _reaches(request.user, obj)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Permissions that several users share; only those that one has oneself can be given."""

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        """Offer the permissions that this person has."""
        if db_field.name == "permissions" and request and not request.user.is_superuser:
            kwargs["queryset"] = Permission.objects.filter(pk__in=_held(request.user))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse to change a group that may do more than this person."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or _is_within(obj, request.user))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse to delete a group that may do more than this person."""
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or _is_within(obj, request.user))


def groups_within(user: Any) -> Any:
    """Return the groups that may do nothing that this person may not."""
    beyond = Permission.objects.exclude(pk__in=_held(user)).filter(group__isnull=False)
    return Group.objects.exclude(permissions__in=beyond)


def _reaches(user: Any, other: User | None) -> bool:
    """Tell whether this person may do all that the other may."""
    if other is None or user.is_superuser:
        return True
    asked = User(
        pk=other.pk, is_superuser=other.is_superuser
    )  # an inactive user's rights count too
    return not other.is_superuser and asked.get_all_permissions() <= user.get_all_permissions()


def _is_within(group: Group, user: Any) -> bool:
    return bool(user.is_superuser or groups_within(user).filter(pk=group.pk).exists())


def _held(user: Any) -> list[int]:
    """Return the ids of the permissions that this person has."""
    names = user.get_all_permissions()
    known = Permission.objects.select_related("content_type")
    return [permission.pk for permission in known if name_of(permission) in names]
