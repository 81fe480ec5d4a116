"""Mutants of Python, by cosmic-ray: its operators say where and how, each of its replacements of an operator by the
nearest other one; those by any other are noticed by whatever test comes by."""

import functools
from collections.abc import Callable, Iterator

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

_BINARY = ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Div_Mul", "Mod_Mul", "BitAnd_BitOr")
_COMPARISONS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
OPERATORS = (
    *(f"ReplaceBinaryOperator_{change}" for change in _BINARY),
    *(f"ReplaceComparisonOperator_{change}" for change in _COMPARISONS),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "AddNot", "NumberReplacer"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ExceptionReplacer"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "RemoveDecorator", "ZeroIterationForLoop"),
)


def mutants(text: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what is done to a module, and what makes its text of that."""
    lines = text.split("\n")
    nodes = list(ast_nodes(get_ast(text)))
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        positions = [position for node in nodes for position in operator.mutation_positions(node)]
        for nth, ((line, column), _) in enumerate(positions):
            if not (name.startswith("ReplaceBinary") and _is_a_star(lines[line - 1], column)):
                yield name, functools.partial(mutate_code, text, operator, nth)


def _is_a_star(line: str, column: int) -> bool:
    """Say whether what cosmic-ray takes for a product is the `*` of a call or of parameters."""
    return line[:column].rstrip()[-1:] in {"", "(", ",", "["}
