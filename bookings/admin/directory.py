"""Browse what surrounds the bookings: hosts, members, groups, event types, routing forms and submissions."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html_join

from bookings.browsing import MirrorAdmin, TabularInline, display, links, list_link
from bookings.covering import cover
from bookings.discretion import Discretion
from bookings.filters import StandingFilter
from bookings.models import (
    Booking,
    EventType,
    Group,
    GroupRelationship,
    Host,
    OrganizationMembership,
    RoutingForm,
    RoutingSubmission,
)


@admin.register(Host)
class HostAdmin(MirrorAdmin):
    """The people who take meetings."""

    list_display = ("name", "email", "timezone", "at_calendly", "mirrored_at")
    search_fields = ("name", "email")
    ordering = ("name", "id")
    readonly_fields = ("booked", "member_of")

    @display(description="bookings")
    def booked(self, host: Host) -> str:
        """Link to the host's bookings."""
        return list_link(Booking, "The bookings of this host", hosts__id__exact=host.pk)

    @display(description="member of")
    def member_of(self, host: Host) -> str:
        """Link to the host's memberships."""
        rows = host.memberships.order_by("id")
        return links((row, f"{row.role or 'member'} of {row.organization_uri}") for row in rows)


@admin.register(OrganizationMembership)
class OrganizationMembershipAdmin(MirrorAdmin):
    """Who belongs to the Calendly organization, and as what."""

    list_display = ("host", "role", "in_groups", "at_calendly", "mirrored_at")
    list_filter = (StandingFilter, "role")
    list_select_related = ("host",)
    search_fields = ("host__name", "host__email")
    ordering = ("host__name", "id")
    readonly_fields = ("in_groups",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the memberships with their groups."""
        places = Prefetch(
            "relationships",
            GroupRelationship.objects.filter(vanished_at=None).select_related("group"),
        )
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related(places)

    @display(description="groups")
    def in_groups(self, membership: OrganizationMembership) -> str:
        """Link to the groups that the member belongs to now."""
        places = membership.relationships.all()
        return links((p.group, f"{p.group} ({p.role})" if p.role else p.group) for p in places)


class GroupMembers(TabularInline):
    """Show who belongs to a group; Django makes one of these for each request."""

    discretion = Discretion(is_clear=False)

    model = GroupRelationship
    verbose_name_plural = "members"
    fields = ("who", "role", "vanished_at")
    readonly_fields = fields
    extra = 0
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the places with whose they are."""
        self.discretion = Discretion.of(request.user)
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("membership__host")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow whoever may see the group."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: stations make these rows."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    @display(description="who")
    def who(self, place: GroupRelationship) -> str:
        """Link to the member."""
        member = place.membership
        cover(member, self.discretion)
        return links([(member, member.host)]) if member else "invited, has not joined"


@admin.register(Group)
class GroupAdmin(MirrorAdmin):
    """Calendly's groups, each with its members."""

    list_display = ("name", "members_now", "at_calendly", "mirrored_at")
    search_fields = ("name",)
    ordering = ("name", "id")
    readonly_fields = ("booked",)
    inlines = (GroupMembers,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the groups with how many belong to each."""
        present = Count("relationships", filter=Q(relationships__vanished_at=None))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(present=present)
        return rows

    @display(description="members")
    def members_now(self, group: Any) -> int:
        """Show how many belong to it now."""
        return int(group.present)

    @display(description="bookings")
    def booked(self, group: Group) -> str:
        """Link to the bookings of the group's hosts."""
        return list_link(Booking, "The bookings of its hosts", group=group.pk)


@admin.register(EventType)
class EventTypeAdmin(MirrorAdmin):
    """The templates that bookings are made from."""

    list_display = ("name", "kind", "duration_minutes", "active", "at_calendly", "scheduling_url")
    list_filter = (StandingFilter, "active")
    search_fields = ("name", "slug")
    ordering = ("name", "id")
    readonly_fields = ("booked",)

    @display(description="bookings")
    def booked(self, event_type: EventType) -> str:
        """Link to the bookings made from it."""
        return list_link(Booking, "The bookings made from it", event_type__id__exact=event_type.pk)


@admin.register(RoutingForm)
class RoutingFormAdmin(MirrorAdmin):
    """The routing forms, each with what was answered in it."""

    list_display = ("name", "status", "at_calendly", "mirrored_at")
    list_filter = (StandingFilter, "status")
    search_fields = ("name",)
    ordering = ("name", "id")
    readonly_fields = ("submissions",)

    @display(description="submissions")
    def submissions(self, form: RoutingForm) -> str:
        """Link to what was answered in it."""
        return list_link(
            RoutingSubmission, "What was answered in it", routing_form_uri__exact=form.uri
        )


@admin.register(RoutingSubmission)
class RoutingSubmissionAdmin(MirrorAdmin):
    """What was answered in routing forms."""

    list_display = ("created_at", "form_name", "result_type", "result_value")
    list_filter = ("result_type",)
    search_fields = ("uri", "result_value")
    readonly_fields = ("form_page", "answered")
    exclude = ("answers",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the submissions with the names of their forms."""
        form = RoutingForm.objects.filter(uri=OuterRef("routing_form_uri"))
        form_name = Subquery(form.values("name")[:1])
        rows: QuerySet[Any] = super().get_queryset(request).annotate(form_name=form_name)
        return rows

    @display(description="routing form")
    def form_name(self, submission: Any) -> str | None:
        """Show the form's name."""
        name: str | None = submission.form_name
        return name

    @display(description="answers")
    def answered(self, submission: RoutingSubmission) -> str:
        """Show each question over its answer."""
        told = ((one.get("question", ""), one.get("answer") or "-") for one in submission.answers)
        return format_html_join("", "<div><strong>{}</strong><br>{}</div>", told) or "-"

    @display(description="routing form")
    def form_page(self, submission: RoutingSubmission) -> str:
        """Link to the form."""
        rows = RoutingForm.objects.filter(uri=submission.routing_form_uri)
        return links((row, row) for row in rows)
