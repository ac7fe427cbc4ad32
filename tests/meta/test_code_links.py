"""Links from the docs to functions lead to them: `pytest tests/meta --update-links` writes the line numbers."""

import ast
import re
from pathlib import Path

LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)#L(\d+)\)")


def lines(path):
    """The line of each class, function and method in a file, by its name, and the methods' with their class too."""
    found = {}

    def collect(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{prefix}{child.name}"
                for known in (name, child.name):
                    found.setdefault(known, child.lineno)
                collect(child, f"{child.name}." if isinstance(child, ast.ClassDef) else "")
            else:
                collect(child, prefix)

    collect(ast.parse(Path(path).read_text()), "")
    return found


def test_each_link_to_a_function_leads_to_it(request):
    checked = 0
    for page in sorted(Path().glob("docs/**/*.md")):
        text = page.read_text()
        if request.config.getoption("--update-links"):
            text = LINK.sub(lambda link: f"[`{link[1]}`](../{link[2]}#L{lines(link[2])[link[1]]})", text)
            page.write_text(text)
        for name, path, line in LINK.findall(text):
            assert lines(path).get(name) == int(line), f"{page}: {name} in {path}; --update-links puts it right"
            checked += 1
    assert checked > 30
