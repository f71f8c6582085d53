"""Makes the mutants of a module, by mutmut's operators, in the bodies of all its functions.

Not mutated:

* declarations: what is outside functions, decorators, annotations, and defaults of parameters
* messages: arguments of a logger, of a warning and of an exception, a ``msg``, and strings
  of several words that are no SQL
* ``len``, ``isinstance`` and ``cast``, as by mutmut
* the case of SQL and of encodings, where it means nothing
* ``strict`` of ``zip``: an assertion about code, which no data breaks
"""

from __future__ import annotations

import ast
import difflib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

_NOT_MUTATED_CALLS = frozenset({"len", "isinstance", "cast"})
_LOGGERS = frozenset({"logger", "_logger", "log", "warnings"})
_WORDS = re.compile(r"[A-Za-z,:;.] [A-Za-z]")
_SQL = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|FROM|WHERE|SET|JOIN|TABLE|COLUMN|VALUES|AND"
    r"|ORDER BY|USING|ON CONFLICT|PRIMARY KEY|NOT|NULL|COPY|COMMENT ON|DISTINCT|CASE|IS|AS)\b"
)
_ENCODING = re.compile(r"^[\"']utf-?8(-sig)?[\"']$", re.IGNORECASE)


@dataclass(frozen=True)
class Mutant:
    """One change of one function.

    Attributes:
        function: The qualified name of the function or method that is replaced.
        before: The lines that the change replaces, without indentation.
        after: The lines in their place.
        number: Tells mutants with the same lines apart, from 1.
        lines: The first and the last line of the statement in the file.
        source: The text of the function with the change, without indentation.
    """

    function: str
    before: str
    after: str
    number: int
    lines: tuple[int, int]
    source: str

    @property
    def name(self) -> str:
        """Names the mutant in results: it stays the same while the function does."""
        number = f" #{self.number}" if self.number > 1 else ""
        return f"{self.function}: {self.before} -> {self.after}{number}"


def mutants_of(source: str, always_none: frozenset[str] = frozenset()) -> list[Mutant]:
    """Make all mutants of a module that can be compiled.

    Args:
        source: The text of the module.
        always_none: Names that are always None: None in their place is no change.
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    names: Counter[tuple[str, str, str]] = Counter()
    mutants = []
    for qualified_name, function in _functions(wrapper.module.body, ()):
        original = wrapper.module.code_for_node(function)
        texts = {original}
        for node, lines in _nodes(function, positions):
            for changed_node in _changes(node, always_none):
                text = wrapper.module.code_for_node(function.deep_replace(node, changed_node))
                if text in texts or not _compiles(text):
                    continue
                texts.add(text)
                key = (qualified_name, *_difference(original, text))
                names[key] += 1
                mutants.append(Mutant(*key, names[key], lines, text))
    return mutants


def compile_mutant(mutant: Mutant, original: CodeType, flags: int = 0) -> CodeType:
    """Compile the code that replaces that of the function.

    Args:
        mutant: A mutant of the function.
        original: The code of the function as it is, which a closure has to fit.
        flags: The compiler's flags of the module.

    Raises:
        LookupError: If the function has a closure that cannot be imitated.
    """
    function = cast("ast.FunctionDef", ast.parse(mutant.source).body[0])
    function.decorator_list = []
    ast.increment_lineno(function, original.co_firstlineno - function.lineno)
    code = _compile_within(function, mutant.function, original.co_filename, flags)
    if code.co_freevars != original.co_freevars:
        # The last use of `super()` is gone: a name that is never read keeps its cell.
        unused = ast.parse("if 0: __class__").body
        function.body[:0] = [ast.copy_location(node, function.body[0]) for node in unused]
        code = _compile_within(function, mutant.function, original.co_filename, flags)
    if code.co_freevars != original.co_freevars:
        raise LookupError(mutant.function)
    return code


def _compile_within(function: ast.FunctionDef, name: str, filename: str, flags: int) -> CodeType:
    # Within classes of the same names: names that begin with two underscores depend on them.
    node: ast.stmt = function
    for part in reversed(name.split(".")[:-1]):
        node = ast.ClassDef(name=part, bases=[], keywords=[], body=[node], decorator_list=[])
    tree = ast.fix_missing_locations(ast.Module(body=[node], type_ignores=[]))
    return next(
        code
        for code in _codes_within(compile(tree, filename, "exec", flags=flags, dont_inherit=True))
        if code.co_qualname == name
    )


def _codes_within(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield constant
            yield from _codes_within(constant)


def _functions(
    statements: Iterable[cst.CSTNode], outer: tuple[str, ...]
) -> Iterator[tuple[str, cst.FunctionDef]]:
    for statement in statements:
        if isinstance(statement, cst.FunctionDef):
            yield ".".join((*outer, statement.name.value)), statement
        elif isinstance(statement, cst.ClassDef):
            yield from _functions(statement.body.body, (*outer, statement.name.value))


def _nodes(
    function: cst.FunctionDef, positions: Any
) -> Iterator[tuple[cst.CSTNode, tuple[int, int]]]:
    """The nodes of a body to mutate, each with the lines of its statement."""
    # An overload has a body of dots, and a property's docstring is no code.
    stack: list[tuple[cst.CSTNode, tuple[int, int]]] = [(function.body, (0, 0))]
    while stack:
        node, lines = stack.pop()
        if _is_left_out(node):
            continue
        position = positions.get(node)
        if isinstance(node, cst.SimpleStatementLine):
            lines = (position.start.line, position.end.line)
        elif isinstance(node, cst.BaseCompoundStatement):
            body = positions.get(node.body)
            lines = (position.start.line, max(position.start.line, body.start.line - 1))
        yield node, lines
        stack += ((child, lines) for child in reversed(_mutable_children(node)))


def _mutable_children(node: cst.CSTNode) -> list[cst.CSTNode]:
    if isinstance(node, cst.FunctionDef):
        return [node.body]
    if isinstance(node, cst.Raise):
        return [child for child in node.children if not isinstance(child, cst.BaseExpression)]
    return list(node.children)


def _is_left_out(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Param):
        return True
    if isinstance(node, cst.Call):
        return _name(node.func) in _NOT_MUTATED_CALLS or _receiver(node.func) in _LOGGERS
    if isinstance(node, cst.Assign):
        return _name(node.targets[0].target) == "msg"
    if isinstance(node, cst.Arg) and node.keyword:
        return bool(node.keyword.value == "strict")
    if isinstance(node, cst.Expr):
        return isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)
    return isinstance(node, cst.BaseString) and _is_prose(node)


def _is_prose(node: cst.BaseString) -> bool:
    text = cst.Module([]).code_for_node(node)
    return bool(_WORDS.search(text)) and not _SQL.search(text)


def _name(node: cst.CSTNode) -> str:
    return node.value if isinstance(node, cst.Name) else ""


def _receiver(node: cst.CSTNode) -> str:
    if not isinstance(node, cst.Attribute):
        return ""
    value = node.value
    return value.attr.value if isinstance(value, cst.Attribute) else _name(value)


def _changes(node: cst.CSTNode, always_none: frozenset[str]) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from (
                change
                for change in operator(node)
                if not _means_the_same(node, change, always_none)
            )


def _means_the_same(node: Any, change: Any, always_none: frozenset[str]) -> bool:
    if isinstance(node, cst.SimpleString):
        is_case = node.value.lower() == change.value.lower()
        return is_case and bool(_SQL.search(node.value) or _ENCODING.match(node.value))
    if isinstance(node, cst.Call):
        if len(node.args) == len(change.args):
            pairs = zip(node.args, change.args, strict=True)
            replaced = [_name(arg.value) for arg, new in pairs if arg.value is not new.value]
            if always_none.intersection(replaced):
                return True
        keywords = {arg.keyword.value for arg in change.args if arg.keyword}
        return any(arg.keyword and arg.keyword.value == "strict" for arg in node.args) and (
            "strict" not in keywords or _strict(node) != _strict(change)
        )
    return False


def _strict(call: cst.Call) -> str:
    return next(
        (_name(arg.value) for arg in call.args if arg.keyword and arg.keyword.value == "strict"), ""
    )


def _compiles(text: str) -> bool:
    try:
        compile(text, "<mutant>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _difference(original: str, text: str) -> tuple[str, str]:
    lines, changed_lines = original.splitlines(), text.splitlines()
    opcodes = difflib.SequenceMatcher(None, lines, changed_lines, autojunk=False).get_opcodes()
    changes = [codes for codes in opcodes if codes[0] != "equal"]
    first, last = changes[0], changes[-1]
    return _join_lines(lines[first[1] : last[2]]), _join_lines(changed_lines[first[3] : last[4]])


def _join_lines(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines)
