"""The Python blocks of every README, run as a reader would run them."""

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "fcaps_pipeline").rglob("README.md")), *(ROOT / "jobs").rglob("README.md")]
BENCHMARKS = sorted((ROOT / "fcaps_pipeline").rglob("BENCHMARKS.md"))
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def python_blocks(page: Path) -> list[str]:
    """In their order."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def block_with(page: Path, name: str) -> str:
    """The one block that defines or assigns a name."""
    [block] = [one for one in python_blocks(page) if name in _bound(one)]
    return block


def bound_names() -> dict[str, list[str]]:
    """By page, what its blocks define or assign last; pages without a block are left out."""
    found = {page.relative_to(ROOT).as_posix(): [_bound(one)[-1] for one in python_blocks(page)] for page in PAGES}
    return {page: names for page, names in found.items() if names}


def run_block(block: str, **given: Any) -> Any:
    """What the last line of a block yields, or the names it leaves where that is no expression."""
    *body, last = ast.parse(block).body
    names = dict(given)
    if not isinstance(last, ast.Expr):
        exec(block, names)  # noqa: S102 - the README's own text
        return names
    exec(compile(ast.Module(body, []), "README.md", "exec"), names)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "README.md", "eval"), names)  # noqa: S307


def _bound(block: str) -> list[str]:
    names = []
    for node in ast.parse(block).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.append(node.targets[0].id)
    return names
