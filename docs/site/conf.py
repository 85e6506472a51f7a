"""How Sphinx makes the documentation's site: `make docs`.

The pages are the repository's own Markdown, where they are, so every link leads to the same page on the site and in
the repository. The sidebar is read from docs/index.md.
"""

import html
import re
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tailrace.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "index.md"
GROUP = re.compile(r"^## (.+)$")
ENTRY = re.compile(r"^[*-] \[([^\]]+)\]\(([^)#]+)\.md\)")

project = "Tailrace"
author = "the Tailrace authors"
version = release = VERSION
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**.md",
    "benchmarks/results/README.md",
    "functions/dashboard/README.md",
]
exclude_patterns = [".*", "node_modules"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# the HTTP examples leave out the version, and the queries are in DuckDB's SQL
suppress_warnings = ["misc.highlighting_failure"]

highlight_language = "text"
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"Tailrace {VERSION}"
html_static_path = [str(Path(__file__).parent / "static"), str(ROOT / ".tools" / "mermaid" / "package" / "dist")]
html_favicon = str(ROOT / "functions" / "dashboard" / "page" / "icon.svg")
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


class Mermaid(SphinxDirective):
    """A diagram that the browser draws, from a script that the site brings along."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Return the diagram's source, marked for the script."""
        source = html.escape("\n".join(self.content))
        return [nodes.raw("", f'<pre class="mermaid">{source}</pre>', format="html")]


def sidebar(index: str) -> str:
    """Return a hidden table of contents for each group of pages that docs/index.md lists."""
    trees = [f"```{{toctree}}\n:hidden:\n\n/{INDEX.relative_to(ROOT).with_suffix('')}"]
    for line in index.splitlines():
        if group := GROUP.match(line):
            trees.append(f"```{{toctree}}\n:hidden:\n:caption: {group[1]}\n")
        elif entry := ENTRY.match(line):
            trees[-1] += f"\n{entry[1]} </{(INDEX.parent / entry[2]).resolve().relative_to(ROOT)}>"
    return "".join(f"\n\n{tree}\n```\n" for tree in trees)


def add_sidebar(_app: Sphinx, page: str, source: list[str]) -> None:
    """Give the front page the tables of contents that the sidebar shows."""
    if page == root_doc:
        source[0] += sidebar(INDEX.read_text(encoding="utf-8"))


def add_mermaid(app: Sphinx, _page: str, _template: str, _context: object, tree: nodes.document | None) -> None:
    """Load the script on the pages that have a diagram."""
    if tree is not None and any('class="mermaid"' in raw.astext() for raw in tree.findall(nodes.raw)):
        app.add_js_file("mermaid.min.js")
        app.add_js_file("diagrams.js")


def rename_attributes(_app: Sphinx, kind: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Show a dataclass's attributes as the arguments that it is made from."""
    if kind == "class":
        lines[:] = ["Args:" if line == "Attributes:" else line for line in lines]


def setup(app: Sphinx) -> None:
    """Add what this site has beside Sphinx's own."""
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", add_sidebar)
    app.connect("autodoc-process-docstring", rename_attributes, priority=400)  # before Napoleon
    app.connect("html-page-context", add_mermaid)
