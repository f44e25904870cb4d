# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of a module that a test should notice: what cosmic-ray and mutmut change, and statements that are left out.

Leaving out a statement is what matters most here (a state that is written down before a deed), and neither of the two
does it. Messages are not changed: no test compares a whole sentence.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
# What shows progress, and what only a reader sees.
SILENT_CALLS = frozenset({"progress", "_progress", "warn"})
WORDS = frozenset({"OperatorError", "Risk", "Condition"})


@dataclass(frozen=True)
class Mutant:
    """A changed module: where, what was done, and its whole text.

    `run_with` is the line that a test has to run to notice it; None where it runs when the module is imported, and so
    for every test.
    """

    line: int
    change: str
    source: str
    run_with: int | None


def mutants(source: str) -> Iterator[Mutant]:
    """Every changed text of a module, one change each, in the order of its lines."""
    tree = ast.parse(source)
    parents = parents_in(tree)
    for position, node in enumerate(ast.walk(tree)):
        if is_for_readers(node, parents):
            continue
        # is_for_readers() passes over every node without a line.
        line, with_line = node.lineno, run_with(node, parents)  # type: ignore[attr-defined]
        for number in range(len(list(changes_of(node, parents)))):
            changed = copy.deepcopy(tree)
            same_node = list(ast.walk(changed))[position]
            change, make = list(changes_of(same_node, parents_in(changed)))[number]
            make()
            yield Mutant(line, change, ast.unparse(ast.fix_missing_locations(changed)), with_line)


def parents_in(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def is_for_readers(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Annotations, documentation, imports, words of messages and lines of progress."""
    if isinstance(node, (ast.Import, ast.ImportFrom)) or not hasattr(node, "lineno"):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and is_type_checking(node):
        return True
    child: ast.AST = node
    while (parent := parents.get(child)) is not None:
        if isinstance(parent, (ast.arg, ast.AnnAssign)) and child is parent.annotation:
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and child is parent.returns:
            return True
        if isinstance(parent, ast.If) and is_type_checking(parent):
            return True
        if isinstance(parent, ast.Call) and name_of(parent.func) in WORDS | SILENT_CALLS and child is not parent.func:
            return True
        child = parent
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name_of(node.value.func) in SILENT_CALLS


def is_type_checking(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.dump(node.test)


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def changes_of(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[tuple[str, Callable[[], None]]]:
    """What each change is, and what makes it in the node's tree."""
    if (
        isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Delete))
        and run_with(node, parents) is not None
    ):
        yield f"left out: {ast.unparse(node)[:80]}", lambda: replace(node, ast.Pass(), parents)
    if isinstance(node, ast.Return) and node.value is not None and not is_none(node.value):
        yield f"returns None: {ast.unparse(node)[:80]}", lambda: setattr(node, "value", ast.Constant(None))
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        test = node.test
        yield f"negated: {ast.unparse(test)[:80]}", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), test))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]
        yield f"{other.__name__}: {ast.unparse(node)[:80]}", lambda: setattr(node, "ops", [other()])
    if isinstance(node, ast.BoolOp):
        for index in range(len(node.values)):
            rest = [value for place, value in enumerate(node.values) if place != index]
            yield f"without {ast.unparse(node.values[index])[:80]}", lambda rest=rest: setattr(node, "values", rest)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        operator = ARITHMETIC[type(node.op)]
        yield f"{operator.__name__}: {ast.unparse(node)[:80]}", lambda: setattr(node, "op", operator())
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)) and node.value is not None:
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{node.value} becomes {value}", lambda: setattr(node, "value", value)


def run_with(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> int | None:
    """The line of a node in a function; of a default value, which runs on import, the first line of the function."""
    within = node
    while (parent := parents.get(within)) is not None:
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if within in parent.body:
                # Only nodes with a line are asked about.
                return int(node.lineno)  # type: ignore[attr-defined]
            documented = ast.get_docstring(parent) is not None and len(parent.body) > 1
            return parent.body[documented].lineno
        within = parent
    return None


def is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def replace(node: ast.stmt, other: ast.stmt, parents: dict[ast.AST, ast.AST]) -> None:
    parent = parents[node]
    for field in ("body", "orelse", "finalbody", "handlers"):
        statements = getattr(parent, field, [])
        if isinstance(statements, list) and node in statements:
            statements[statements.index(node)] = ast.copy_location(other, node)
