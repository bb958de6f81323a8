"""What is mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SERVER = "lib/kegnet/server"


@dataclass(frozen=True)
class Part:
    """Modules and tests, as patterns of paths below the repository."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def module_paths(self, repository: Path) -> list[str]:
        """The modules that there are."""
        return _found(repository, self.modules)

    def test_paths(self, repository: Path) -> list[str]:
        """The tests that there are."""
        return _found(repository, self.tests)


def _found(repository: Path, patterns: tuple[str, ...]) -> list[str]:
    return sorted({str(path.relative_to(repository)) for pattern in patterns for path in repository.glob(pattern)})


PARTS = {
    "try": Part(
        ("lib/kegnet/core/finding.py", "lib/kegnet/core/messages.py"), ("tests/unit/test_finding.py", "tests/unit/test_messages.py")
    ),
    "model": Part((f"{SERVER}/model/[a-z]*.py",), ("tests/unit/test_model*.py",)),
    "ingest": Part((f"{SERVER}/ingest/[a-z]*.py",), ("tests/unit/test_ingest*.py",)),
    "storage": Part((f"{SERVER}/storage/[a-z]*.py",), ("tests/unit/test_storage*.py",)),
    "alarms": Part((f"{SERVER}/model/alarms.py",), ("tests/unit/test_alarms.py",)),
    "watch": Part(
        (f"{SERVER}/watch.py", f"{SERVER}/alarm_rounds.py", f"{SERVER}/storage/alarms.py", f"{SERVER}/storage/notifications.py"),
        ("tests/unit/test_alarm_watch.py",),
    ),
    "boards": Part((f"{SERVER}/ingest/kegboard_events.py",), ("tests/unit/test_kegboard_events.py",)),
}

LEFT_OUT = (
    # One or two replacements of an operator say as much as ten. `|` is mostly in types, which are not evaluated.
    r"core/ReplaceBinaryOperator_BitOr_",
    r"core/ReplaceBinaryOperator_(Add|Sub)_(Div|FloorDiv|Mod|Pow|RShift|LShift|BitOr|BitAnd|BitXor)",
    r"core/ReplaceBinaryOperator_(Mul|Div|FloorDiv|Mod)_(Sub|Div|Pow|RShift|LShift|BitOr|BitAnd|BitXor)",
    r"core/ReplaceComparisonOperator_(Eq|NotEq)_(Lt|LtE|Gt|GtE|Is|IsNot)",
    r"core/ReplaceComparisonOperator_(Lt|LtE|Gt|GtE)_(Eq|NotEq|Is|IsNot)",
    r"core/ReplaceComparisonOperator_(Is|IsNot)_(Lt|LtE|Gt|GtE|Eq|NotEq)",
    r"core/ReplaceComparisonOperator_Lt_Gt$",
    r"core/ReplaceComparisonOperator_Gt_Lt$",
    r"core/ReplaceUnaryOperator_USub_(UAdd|Not|Invert)",
    r"core/ReplaceUnaryOperator_Invert_",
    # They need a configuration of the names of variables.
    r"core/Variable",
)
"""Patterns of cosmic-ray's operators that are not used."""
