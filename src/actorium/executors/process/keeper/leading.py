"""Which imports an Actor's program begins with: read from its files, without running them.

It runs inside the Actor's own interpreter, with ``forerunner``: standard library only.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

_HARMLESS_CALLS = frozenset(
    {"getLogger", "TypeVar", "ParamSpec", "NewType", "Path", "compile", "frozenset", "dataclass"}
)
_HARMLESS_BASES = frozenset({
    "ABC", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "Protocol", "Generic", "TypedDict", "NamedTuple",
    "BaseModel", "Spider", "Item",
})  # fmt: skip
"""Of classes whose making does nothing that an import could see: Pydantic's and Scrapy's among them."""
_HOOKS = frozenset({"__init_subclass__", "__set_name__"})


class NotAhead(BaseException):
    """Something that only the run itself may do. No package catches it by accident."""


class Lead(NamedTuple):
    """An import that a program begins with."""

    module: str
    names: tuple[str, ...]
    """What is taken from it."""
    optional: bool
    """Whether its failure is handled."""
    node: Any
    """The statement, of this one module."""
    path: str
    name: str
    """Of the module of the program that it stands in."""


class Program:
    """Which imports a program begins with. Reads files, runs none."""

    def __init__(self, root: str, packages: tuple[str, ...]) -> None:
        """``root``: the folder of the program's own modules. ``packages``: folders of installed ones."""
        import ast

        self._ast = ast
        self._root, self._packages = root, packages
        self.imports: list[Lead] = []
        self.early = 0
        """How many of them come before the program's own main module."""
        self.third_party = False
        self._seen: set[str] = set()
        self._path = self._name = ""
        self._classes: set[str] = set()
        """Of the file that is read: those that nothing happens to when others are made of them."""

    def module(self, name: str) -> bool:
        """Walk through a module of the program and the packages around it; False: something else comes first."""
        place = self._root
        parts = name.split(".")
        for number, part in enumerate(parts):
            place = os.path.join(place, part)
            if os.path.isdir(place):
                package = ".".join(parts[: number + 1])
                if not self.file(os.path.join(place, "__init__.py"), package, package):
                    return False
            elif not self.file(f"{place}.py", ".".join(parts[:number]), ".".join(parts[: number + 1])):
                return False
        return True

    def file(self, path: str, package: str, name: str) -> bool:
        """Walk through the file of a module, until a statement that is neither an import nor harmless."""
        if path in self._seen or not os.path.isfile(path):
            return True
        self._seen.add(path)
        with open(path, "rb") as file:
            tree = self._ast.parse(file.read(), path)
        above = self._path, self._name, self._classes
        self._path, self._name, self._classes = path, name, set()
        done = all(self._statement(statement, package, optional=False) for statement in tree.body)
        self._path, self._name, self._classes = above
        return done

    def _statement(self, node: Any, package: str, *, optional: bool) -> bool:
        ast = self._ast
        if isinstance(node, ast.Import):
            alone = ((alias.name, ast.copy_location(ast.Import([alias]), node)) for alias in node.names)
            return all(self._import(name, (), one, optional=optional) for name, one in alone)
        if isinstance(node, ast.ImportFrom):
            return self._import_from(node, package, optional=optional)
        if isinstance(node, ast.Try):
            plain = not node.orelse and not node.finalbody
            imports = (ast.Import, ast.ImportFrom)
            return plain and all(
                isinstance(inner, imports) and self._statement(inner, package, optional=True) for inner in node.body
            )
        if isinstance(node, ast.If):
            test = node.test
            name = test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")
            return name == "TYPE_CHECKING" and not node.orelse
        return self._harmless(node)

    def _harmless(self, node: Any) -> bool:
        """Whether nothing that is imported later can depend on it."""
        ast = self._ast
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return all(isinstance(one, ast.Name) for one in targets) and not self._acts(node)
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
        if not isinstance(node, kinds) or self._acts(node):
            return False
        if isinstance(node, ast.ClassDef) and not _HOOKS & {getattr(one, "name", "") for one in node.body}:
            self._classes.add(node.name)
        return True

    def _is_plain_class(self, node: Any) -> bool:
        """Whether nobody is told of it: neither a class that it is made of nor another's ``metaclass``."""
        import builtins

        names = {_called(base) for base in node.bases}
        builtin = {name for name in names if isinstance(getattr(builtins, name, None), type)}
        options = all(
            isinstance(one.value, self._ast.Constant) or _called(one.value) == "ABCMeta" for one in node.keywords
        )
        return options and names <= _HARMLESS_BASES | self._classes | builtin

    def _acts(self, node: Any) -> bool:
        """Whether running it calls something that is not known; bodies of functions do not run."""
        ast = self._ast
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for one in node.decorator_list:
                if _called(one.func if isinstance(one, ast.Call) else one) not in _HARMLESS_CALLS:
                    return True
        if isinstance(node, ast.ClassDef) and not self._is_plain_class(node):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return any(self._acts(one) for one in (*node.args.defaults, *filter(None, node.args.kw_defaults)))
        if isinstance(node, ast.Lambda):
            return False
        if isinstance(node, ast.Call) and _called(node.func) not in _HARMLESS_CALLS:
            return True
        if isinstance(node, ast.Await | ast.NamedExpr | ast.Import | ast.ImportFrom | ast.Delete | ast.With):
            return True
        return any(self._acts(child) for child in ast.iter_child_nodes(node))

    def _import_from(self, node: Any, package: str, *, optional: bool) -> bool:
        names = tuple(alias.name for alias in node.names)
        module = node.module or ""
        if node.level:
            parts = package.split(".") if package else []
            if node.level - 1 >= len(parts) or not package:
                return False  # the run itself will say what is wrong with it
            above = parts[: len(parts) - node.level + 1]
            module = ".".join([*above, *([module] if module else [])])
            return self._local(module, names)
        if module == "__future__":
            return True
        return self._import(module, names, node, optional=optional)

    def _import(self, name: str, names: tuple[str, ...], node: Any, *, optional: bool) -> bool:
        import importlib.util

        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            return optional  # not installed: what the program does then is its own affair
        if is_installed(spec, self._packages):
            self.third_party = self.third_party or "-packages" in (spec.origin or str(spec.submodule_search_locations))
            self.imports.append(Lead(name, names, optional, node, self._path, self._name))
            return True
        return self._local(name, names)

    def _local(self, module: str, names: tuple[str, ...]) -> bool:
        return self.module(module) and all(
            self.module(f"{module}.{name}") for name in names if self._has(f"{module}.{name}")
        )

    def _has(self, module: str) -> bool:
        place = os.path.join(self._root, *module.split("."))
        return os.path.isdir(place) or os.path.isfile(f"{place}.py")


def _called(node: Any) -> str:
    """The last name of an expression such as ``a.b.C`` or ``C[T]``; empty for any other."""
    inner = getattr(node, "value", node) if type(node).__name__ == "Subscript" else node
    return str(getattr(inner, "id", getattr(inner, "attr", "")))


def is_installed(spec: Any, packages: tuple[str, ...]) -> bool:
    """Whether a module lies where packages are installed, or in the interpreter itself."""
    if spec.origin in ("built-in", "frozen"):
        return True
    places = (
        [spec.origin] if spec.origin and spec.origin != "namespace" else list(spec.submodule_search_locations or ())
    )
    return bool(places) and all(os.path.abspath(place).startswith(packages) for place in places)
