"""The rules of a tree as plain JSON data, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lime_cli.engine.explanation import Rule
from lime_cli.engine.instance import Component
from lime_cli.results.places import where_of


def rule_data(rule: Rule, components: Sequence[Component]) -> dict[str, Any]:
    """Return a rule with its components spelled out."""
    conditions = [
        {
            "name": components[j].name,
            "value": components[j].value,
            "where": where_of(components[j].where),
            "kept": kept,
        }
        for j, kept in rule.conditions
    ]
    return {"conditions": conditions, "value": rule.value, "share": rule.share}


def rule_of(data: dict[str, Any], known: Callable[[dict[str, Any]], int]) -> Rule:
    """Rebuild a rule; ``known`` returns the index of a component, adding it where it is new."""
    return Rule(
        conditions=tuple((known(one), bool(one["kept"])) for one in data["conditions"]),
        value=float(data["value"]),
        share=float(data["share"]),
    )
