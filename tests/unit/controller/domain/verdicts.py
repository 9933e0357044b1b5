"""A decision held against `outcome/clause/basis`, as scripts say it."""

from typing import Any

_NOTHING = {"refused", "not_owed", "not_entitled", "does_not_qualify"}
_CLASSES = {
    "none": _NOTHING,
    "wait": {"not_yet_known", "hold"},
    "off": _NOTHING | {"not_yet_known", "hold", "person_decides"},
}


def decision_on(fault: Any, question: str) -> Any:
    """The fault's own decision; Backup has one more for each SIM."""
    found = [
        each
        for each in fault["decisions"]
        if each["question"] == question and (question != "backup" or each["target"] is None)
    ]
    assert len(found) == 1, f"decisions: {[(d['question'], d['outcome'], d['target']) for d in fault['decisions']]}"
    return found[0]


def agree(what: str, decision: Any, wanted: str) -> None:
    outcome, clause, basis, *_ = [*wanted.split("/"), "", ""]
    said = f"{what}: {decision['outcome']} {decision['clause']} {decision['basis']} {decision['code']}, wanted {wanted}"
    assert decision["outcome"] in _CLASSES.get(outcome, {outcome}), said
    assert not clause or clause in decision["clause"], said
    assert not basis or decision["basis"] == basis, said
    assert decision["reason"], said
    assert "T§15" in decision["contest"], said
