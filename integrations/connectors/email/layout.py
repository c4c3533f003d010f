"""The frame of every HTML message: one column, fluid, without tables or images, in light and dark."""

import re
from collections.abc import Iterable

from django.utils.html import escape

#: Style sheets are read by all but a few mail programs; those show plain, readable HTML.
_STYLE = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
body { margin: 0; padding: 24px 12px; background: #f3f4f6; color: #1f2937;
  font: 16px/1.55 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.card { max-width: 560px; margin: 0 auto; padding: 28px 32px 24px; background: #ffffff; border-radius: 12px;
  border: 1px solid #e5e7eb; border-top: 4px solid #2563eb; box-sizing: border-box; overflow-wrap: anywhere; }
.card > :last-child { margin-bottom: 0; }
h1 { font-size: 22px; line-height: 1.3; margin: 0 0 12px; color: #111827; }
h2 { font-size: 16px; margin: 24px 0 8px; color: #111827; }
p { margin: 0 0 14px; white-space: pre-line; }
a { color: #1d4ed8; }
.button { display: inline-block; padding: 11px 20px; border-radius: 8px; background: #1d4ed8; color: #ffffff;
  text-decoration: none; font-weight: 600; }
.facts { margin: 18px 0; padding: 4px 0; border-top: 1px solid #e5e7eb; border-bottom: 1px solid #e5e7eb; }
.facts dt { margin: 10px 0 0; font-size: 13px; color: #6b7280; }
.facts dd { margin: 0 0 10px; font-weight: 500; white-space: pre-line; }
.quiet { color: #6b7280; font-size: 14px; font-weight: 400; }
.quote { border-left: 3px solid #d1d5db; padding-left: 12px; color: #374151; }
ul { padding-left: 20px; margin: 0 0 14px; }
.foot { max-width: 560px; margin: 14px auto 0; text-align: center; font-size: 12px; color: #6b7280; }
@media (max-width: 480px) { .card { padding: 22px 18px; } }
@media (prefers-color-scheme: dark) {
  body { background: #0f172a; color: #e5e7eb; }
  .card { background: #1e293b; border-color: #334155; border-top-color: #3b82f6; }
  h1, h2 { color: #f9fafb; }
  a { color: #93c5fd; }
  .button { background: #2563eb; color: #ffffff; }
  .facts { border-color: #334155; }
  .facts dt, .quiet, .foot { color: #a3b0c2; }
  .quote { border-color: #475569; color: #cbd5e1; }
}
"""


def wrap(body: str, *, title: str, sender: str) -> str:
    """Return a whole document around escaped HTML."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f'<body><main class="card">{body}</main>'
        f'<p class="foot">{escape(sender)}</p></body></html>'
    )


def from_text(text: str, *, links: Iterable[str]) -> str:
    """Return escaped HTML of a text, a paragraph each; only our own links can be followed, never a stranger's."""
    escaped = str(escape(text.strip()))
    ours = sorted({str(escape(link)) for link in links if link}, key=len, reverse=True)
    if ours:
        pattern = "|".join(re.escape(link) for link in ours)
        escaped = re.sub(pattern, lambda found: f'<a href="{found[0]}">{found[0]}</a>', escaped)
    return "".join(f"<p>{part.strip()}</p>" for part in re.split(r"\n\s*\n", escaped))
