"""Errors of the rules.

DomainError
├── UnknownSubjectError   the facts hold no such fault, plan, SIM or hub: gather more facts, or the id is wrong
└── BadTableError         imported data is malformed: mend the named row
"""


class DomainError(Exception):
    """A rule could not be applied."""


class UnknownSubjectError(DomainError):
    """The facts hold nothing of that id at that time; the caller gathers them or corrects the id."""

    def __init__(self, noun: str, subject: str) -> None:
        super().__init__(f"no {noun} {subject} among the facts: pass it with them, or correct its id")
        self.noun = noun
        self.subject = subject


class BadTableError(DomainError):
    """Imported data is malformed; the caller mends the named row and imports again."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(f"row {row}: {problem}")
        self.row = row
        self.problem = problem
