"""Which settings a role reads, found in its code: all that is reached from its command by imports, and nothing else."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from core.settings import Settings

ROOT = Path(__file__).parents[2]
FIELDS = frozenset(Settings.model_fields)
ROOMS = frozenset(path.parent.name for path in ROOT.glob("*/__init__.py")) - {"tests", "bench"}
ENTRIES = {
    "migrate": ("cli.commands.roles", "db_upgrade"),
    "web": ("cli.commands.web", "web"),
    "dispatcher": ("cli.commands.roles", "dispatcher"),
    "worker": ("cli.commands.roles", "worker"),
    "flower": ("cli.commands.flower", "flower"),
}
APART = ("localstack", "cli.database", "cli.running.passwords", "sandbox")
"""Starts servers and roles where no server is named; looks at the settings whose names it is given."""


def read_by(role: str) -> set[str]:
    """Return the names of all settings that a role reads, as variables."""
    module, name = ENTRIES[role]
    tree = _tree(module)
    [function] = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    imported = dict(_imports(tree))
    waiting = [imported[each] for each in used if each in imported] + [where for _, where in _imports(function)]
    found, seen = _reads(function), set[str]()
    while waiting:
        where = waiting.pop()
        if where in seen or where == "core.settings" or where.startswith(APART):
            continue
        seen.add(where)
        found |= _reads(_tree(where))
        waiting += [each for _, each in _imports(_tree(where))]
    return {field.upper() for field in found}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what names of ours are imported, and the modules that they come from or are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            told = [(each.asname or each.name, each.name) for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [(each.asname or each.name, f"{node.module}.{each.name}") for each in node.names]
            told = [(name, where if _path(where).exists() else node.module) for name, where in whole]
            # A package's own module is run, too.
            told += [("", node.module)]
        else:
            continue
        yield from ((name, where) for name, where in told if where.split(".")[0] in ROOMS and _path(where).exists())


def _reads(tree: ast.AST) -> set[str]:
    """Return the fields that a piece of code reads: as attributes of settings, through properties, and by name."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and "settings" in ast.unparse(node.value):
            found |= _fields(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isupper():
            found |= {node.value.lower()} & FIELDS
    return found


def _fields(attribute: str) -> set[str]:
    if attribute in FIELDS:
        return {attribute}
    read = _properties().get(attribute, set())
    return set[str]().union(*(_fields(each) for each in read))


@cache
def _properties() -> dict[str, set[str]]:
    tree = _tree("core.settings")
    [settings] = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == Settings.__name__]
    return {
        each.name: {
            node.attr
            for node in ast.walk(each)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        }
        for each in settings.body
        if isinstance(each, ast.FunctionDef)
    }
