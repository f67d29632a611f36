"""Queries are tested with a look at the order in which they lock."""

from tests.locks import locks_in_one_order as locks_in_one_order
