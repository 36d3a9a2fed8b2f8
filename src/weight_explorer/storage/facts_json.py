"""Convert the facts of records to and from JSON, so that a saved run can be diagnosed without its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from weight_explorer.catalog.schema import NotTrainableReason
from weight_explorer.recording.facts import (
    LazyLearningRate,
    OptimizerFacts,
    PrecedingChange,
    RecordFacts,
    TrainingConditions,
    TrainingKind,
)

Json = dict[str, Any]


def facts_to_json(facts: Iterable[RecordFacts]) -> Json:
    """Convert the facts of several records to JSON; shared conditions are written once.

    >>> adam = OptimizerFacts("Adam", frozenset({"dense/kernel"}))
    >>> facts = RecordFacts(
    ...     TrainingConditions(TrainingKind.FIT, optimizers=(adam,)),
    ...     lazy_learning_rates=(0.1,),
    ...     iterations=(7,),
    ... )
    >>> [again] = facts_from_json(facts_to_json([facts]))
    >>> again.conditions.training_kind, again.learning_rate_of("dense/kernel"), again.iterations
    (<TrainingKind.FIT: 'fit'>, 0.1, (7,))
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


def facts_from_json(data: Json) -> list[RecordFacts]:
    """Read the output of `facts_to_json`."""
    conditions = [_conditions_from_json(each) for each in data["conditions"]]
    return [_record_from_json(each, conditions) for each in data["records"]]


def _record_to_json(facts: RecordFacts, conditions_index: int) -> Json:
    after = facts.preceding_change
    return {
        "conditions": conditions_index,
        "rates": [rate.value if isinstance(rate, LazyLearningRate) else rate for rate in facts.lazy_learning_rates],
        "steps": list(facts.iterations),
        "after": None if after is None else [after.record_number, after.kind, after.name],
    }


def _record_from_json(data: Json, conditions: Sequence[TrainingConditions]) -> RecordFacts:
    shared, after = conditions[int(data["conditions"])], data["after"]
    rates = tuple(None if rate is None else float(rate) for rate in data["rates"])
    steps = tuple(None if count is None else int(count) for count in data["steps"])
    if not len(rates) == len(steps) == len(shared.optimizers):
        raise ValueError("the learning rates of a record do not fit its optimizers")
    return RecordFacts(
        shared, rates, steps, None if after is None else PrecedingChange(int(after[0]), str(after[1]), str(after[2]))
    )


def _conditions_to_json(conditions: TrainingConditions) -> Json:
    return {
        "activity": conditions.training_kind,
        "trained": _sorted_or_none(conditions.trained_keys),
        "not_trainable": dict(conditions.not_trainable),
        "frozen_layers": sorted(conditions.frozen_layers),
        "optimizers": [[each.name, _sorted_or_none(each.owned_keys), each.scales_loss] for each in conditions.optimizers],
        "owners_known": conditions.optimizers_are_complete,
        "reached": _sorted_or_none(conditions.layers_reaching_loss),
    }


def _conditions_from_json(data: Json) -> TrainingConditions:
    return TrainingConditions(
        training_kind=TrainingKind(data["activity"]),
        trained_keys=_set_or_none(data["trained"]),
        not_trainable=_reasons_from_json(data["not_trainable"]),
        frozen_layers=frozenset(map(str, data["frozen_layers"])),
        optimizers=tuple(
            OptimizerFacts(str(name), _set_or_none(owned), bool(scales)) for name, owned, scales in data["optimizers"]
        ),
        optimizers_are_complete=bool(data["owners_known"]),
        layers_reaching_loss=_set_or_none(data["reached"]),
    )


def _reasons_from_json(data: Mapping[str, str]) -> Mapping[str, NotTrainableReason]:
    return MappingProxyType({str(key): NotTrainableReason(code) for key, code in data.items()})


def _sorted_or_none(keys: frozenset[str] | None) -> list[str] | None:
    return None if keys is None else sorted(keys)


def _set_or_none(keys: Sequence[str] | None) -> frozenset[str] | None:
    return None if keys is None else frozenset(map(str, keys))
