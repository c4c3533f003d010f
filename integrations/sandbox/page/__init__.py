"""The page on which a person books meetings and watches what follows."""

from pathlib import Path

from werkzeug.wrappers import Response

from integrations.sandbox.web import text

HERE = Path(__file__).parent
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/panels.js": ("panels.js", "text/javascript; charset=utf-8"),
    "/page/dom.js": ("dom.js", "text/javascript; charset=utf-8"),
    "/page/faults.js": ("faults.js", "text/javascript; charset=utf-8"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
)


def serve(path: str) -> Response:
    """Return the page or one of its files."""
    if path not in FILES:
        return text("There is nothing here. The page is at /.", status=404)
    name, kind = FILES[path]
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return Response((HERE / name).read_bytes(), content_type=kind, headers=headers)
