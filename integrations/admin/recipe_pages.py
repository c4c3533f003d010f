"""The pages of recipes: cards to choose from, and the form that installs one."""

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integrations.admin import recipes
from integrations.admin.cards import Card, Group, choose
from integrations.admin.operations import OperatedAdmin
from integrations.admin.recipe_form import RecipeForm, unmet
from integrations.models import Rule
from integrations.recipes import Installed, UnusableFileError, install

_RULES = "admin:integrations_rule_changelist"


def urls(admin: OperatedAdmin) -> list[URLPattern]:
    """Return the addresses of the pages."""

    def cards(request: HttpRequest) -> HttpResponse:
        return _cards(request, admin)

    def page(request: HttpRequest, recipe: str) -> HttpResponse:
        return _page(request, admin, recipe)

    view = admin.admin_site.admin_view
    return [
        path("recipes/", view(cards), name="integrations_rule_recipes"),
        path("recipes/<slug:recipe>/", view(page), name="integrations_rule_recipe"),
    ]


def _cards(request: HttpRequest, admin: OperatedAdmin) -> HttpResponse:
    """Show every recipe with what it needs."""
    cards = [
        Card(
            label=recipe.title, about=recipe.about, url=recipes.recipe_url(name),
            needs=[role.title for role in recipe.roles.values() if not role.optional],
        )
        for name, recipe in recipes.offered().items()
    ]  # fmt: skip
    about = "Rules that belong together, made at once; afterwards each is a rule like any other."
    return choose(request, admin, title="Recipes", groups=[Group(title="What do you want to do?", about=about, cards=cards)])  # fmt: skip


def _page(request: HttpRequest, admin: OperatedAdmin, name: str) -> HttpResponse:
    """Show the form of a recipe, and install what was chosen."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    recipe = recipes.offered().get(name)
    if recipe is None:
        raise Http404
    form = RecipeForm(request.POST or None, name=name, recipe=recipe)
    if request.method == "POST" and form.is_valid():
        try:
            installed = install(
                recipe, connections=form.connections, answers=form.answers, enabled=form.cleaned_data["enabled"],
                event_types=form.cleaned_data["event_types"], now=timezone.now(),
            )  # fmt: skip
        except UnusableFileError as error:
            form.add_error(None, [str(problem) for problem in error.problems])
        else:
            _tell(request, admin, form, installed)
            return HttpResponseRedirect(reverse(_RULES))
    context = {
        **admin.admin_site.each_context(request), "opts": admin.opts, "title": f"Recipe: {recipe.title}",
        "recipe": recipe, "form": form, "media": form.media, "back_url": reverse("admin:integrations_rule_recipes"),
    }  # fmt: skip
    return TemplateResponse(request, "admin/integrations/rule/recipe.html", context)


def _tell(request: HttpRequest, admin: OperatedAdmin, form: RecipeForm, installed: Installed) -> None:  # fmt: skip
    """Say what was made and what was there, and which settings the recipe counts on are otherwise."""
    title = form.recipe.title
    if installed.made:
        admin.log(request, list(installed.made), f"Installed by the recipe “{title}”.")
        state = "They are on." if form.cleaned_data["enabled"] else "They are off until you switch them on."  # fmt: skip
        messages.success(request, f"Made: {_names(installed.made)}. {state}")
    if installed.found:
        messages.info(request, f"There already, and left as they are: {_names(installed.found)}.")
    for key, connection in form.connections.items():
        for words in unmet(form.recipe.roles[key], connection):
            messages.warning(request, f"{connection}: {words}. It can be changed at the connection.")  # fmt: skip


def _names(rules: Iterable[Rule]) -> str:
    return ", ".join(str(rule) for rule in rules)
