"""JSON as clients may write it: strategies for texts, not for values, because the text is what must come back."""

import json

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

IN_DATABASE = hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""For properties over the shared database: each example adds jobs of its own."""

LITERALS = (
    *("null", "true", "false", "0", "-0", "1.0", "1E2", "1e+2", "-0.0", "5e-324", "1e308", "1e400", "-1e400"),
    *("1e131072", "1e-16384", "9007199254740993", "0.1234567890123456789012345", '"\\/"', '"\\u00e9"', '"__proto__"'),
)
space = st.sampled_from(["", "", " ", "\n", "\t \r\n"])
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
strings = st.builds(
    lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii), st.text(characters, max_size=20), st.booleans()
)
integers = st.one_of(
    st.integers().map(str),
    st.integers(1, 1_000).map(lambda digits: "9" * digits),
    st.integers(1, 1_000).map(lambda digits: "-" + "7" * digits),
)
floats = st.floats(allow_nan=False, allow_infinity=False).map(repr)


def _array(parts: list[str], pad: str) -> str:
    return f"[{pad}{(pad + ',' + pad).join(parts)}{pad}]"


def _object(members: list[tuple[str, str]], pad: str) -> str:
    inside = (pad + "," + pad).join(f"{name}{pad}:{pad}{value}" for name, value in members)
    return f"{{{pad}{inside}{pad}}}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(strings, inner), max_size=4)
    return st.builds(_array, st.lists(inner, max_size=4), space) | st.builds(_object, members, space)


texts = st.recursive(st.sampled_from(LITERALS) | integers | floats | strings, _containers, max_leaves=12)
"""Any JSON that Rowline keeps, in any spelling: white space, key order, twins, escapes, numbers beyond any float."""
