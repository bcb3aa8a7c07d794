"""Messages about values that do not fit a model: pydantic's own are for programmers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# By pydantic's types of errors (https://docs.pydantic.dev/latest/errors/validation_errors/); in braces their context.
_MESSAGES = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "dict_type": "write names with their values in braces",
    "extra_forbidden": "no such key",
    "finite_number": "write a number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "greater_than": "write more than {gt}",
    "greater_than_equal": "write {ge} or more",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "int_type": "write a whole number",
    "ip_v4_address": 'write an IPv4 address, such as "10.0.0.1"',
    "ip_v4_network": 'write an IPv4 network that begins with its first address, such as "10.0.0.0/24"',
    "json_invalid": "it is no JSON",
    "less_than": "write less than {lt}",
    "less_than_equal": "write {le} or less",
    "list_type": "write a list in brackets",
    "literal_error": "write {expected}",
    "missing": "it is missing",
    "model_attributes_type": "write names with their values in braces",
    "model_type": "write names with their values in braces",
    "path_type": "write a path in quotes",
    "string_pattern_mismatch": "write it in the form {pattern}",
    "string_too_long": "write at most {max_length} characters",
    "string_too_short": "write at least {min_length} character(s)",
    "string_type": "write a text in quotes",
    "string_unicode": "it has characters that are no text",
    "too_long": "write at most {max_length} items",
    "too_short": "write at least {min_length} item(s)",
    "tuple_type": "write a list in brackets",
}


def message(problem: ErrorDetails) -> str:
    """Return what is wrong with a value, and what to write instead, without the name of the key."""
    own: str = problem["msg"].removeprefix("Value error, ")
    if own != problem["msg"]:
        return own
    known = _MESSAGES.get(problem["type"])
    return known.format_map(problem.get("ctx", {})) if known else own
