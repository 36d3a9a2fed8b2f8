"""The facts of records as plain JSON, so that a saved run can be judged without its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.recording.facts import (
    Activity,
    Conditions,
    OptimizerFacts,
    Preceding,
    Rate,
    RecordFacts,
)

Json = dict[str, Any]


def facts_to_json(facts: Iterable[RecordFacts]) -> Json:
    """Write the facts of several records; conditions that they share are written once.

    >>> adam = OptimizerFacts("Adam", frozenset({"dense/kernel"}))
    >>> facts = RecordFacts(Conditions(Activity.FIT, optimizers=(adam,)), rates=(0.1,), steps=(7,))
    >>> [again] = facts_from_json(facts_to_json([facts]))
    >>> again.conditions.activity, again.rate_of("dense/kernel"), again.steps
    (<Activity.FIT: 'fit'>, 0.1, (7,))
    """
    places: dict[int, int] = {}
    conditions: list[Json] = []
    records: list[Json] = []
    for each in facts:
        if id(each.conditions) not in places:
            places[id(each.conditions)] = len(conditions)
            conditions.append(_conditions_to_json(each.conditions))
        records.append(_record_to_json(each, places[id(each.conditions)]))
    return {"conditions": conditions, "records": records}


def facts_from_json(found: Json) -> list[RecordFacts]:
    """Read what `facts_to_json` wrote."""
    conditions = [_conditions_from_json(each) for each in found["conditions"]]
    return [_record_from_json(each, conditions) for each in found["records"]]


def _record_to_json(facts: RecordFacts, place: int) -> Json:
    after = facts.after
    return {
        "conditions": place,
        "rates": [rate.value if isinstance(rate, Rate) else rate for rate in facts.rates],
        "steps": list(facts.steps),
        "after": None if after is None else [after.number, after.kind, after.name],
    }


def _record_from_json(found: Json, conditions: Sequence[Conditions]) -> RecordFacts:
    shared, after = conditions[int(found["conditions"])], found["after"]
    rates = tuple(None if rate is None else float(rate) for rate in found["rates"])
    steps = tuple(None if count is None else int(count) for count in found["steps"])
    if not len(rates) == len(steps) == len(shared.optimizers):
        raise ValueError("the learning rates of a record do not fit its optimizers")
    return RecordFacts(shared, rates, steps, None if after is None else Preceding(int(after[0]), str(after[1]), str(after[2])))


def _conditions_to_json(conditions: Conditions) -> Json:
    return {
        "activity": conditions.activity,
        "trained": _sorted(conditions.trained),
        "not_trainable": dict(conditions.not_trainable),
        "frozen_layers": sorted(conditions.frozen_layers),
        "optimizers": [[each.name, _sorted(each.owned), each.scales_loss] for each in conditions.optimizers],
        "owners_known": conditions.owners_known,
        "reached": _sorted(conditions.reached),
    }


def _conditions_from_json(found: Json) -> Conditions:
    return Conditions(
        activity=Activity(found["activity"]),
        trained=_set(found["trained"]),
        not_trainable=_reasons(found["not_trainable"]),
        frozen_layers=frozenset(map(str, found["frozen_layers"])),
        optimizers=tuple(OptimizerFacts(str(name), _set(owned), bool(scales)) for name, owned, scales in found["optimizers"]),
        owners_known=bool(found["owners_known"]),
        reached=_set(found["reached"]),
    )


def _reasons(found: Mapping[str, str]) -> Mapping[str, NotTrainable]:
    return MappingProxyType({str(key): NotTrainable(code) for key, code in found.items()})


def _sorted(keys: frozenset[str] | None) -> list[str] | None:
    return None if keys is None else sorted(keys)


def _set(keys: Sequence[str] | None) -> frozenset[str] | None:
    return None if keys is None else frozenset(map(str, keys))
