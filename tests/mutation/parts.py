"""What is mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SERVER = "lib/kegnet/server"
UNIT, HOUSEHOLD = "tests/unit", "tests/household"
ON_SQLITE = ("-k", "not postgresql")
"""Of tests that run on both databases, those on SQLite: the same code, in a third of the time."""


@dataclass(frozen=True)
class Part:
    """Modules below `SERVER`, the tests that must notice, and more words for pytest."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    words: tuple[str, ...] = ()

    def module_paths(self, repository: Path) -> list[str]:
        """The modules, as paths below the repository. Raises FileNotFoundError."""
        return _existing(repository, [f"{SERVER}/{name}.py" for name in self.modules])

    def test_paths(self, repository: Path) -> list[str]:
        """The tests, as paths below the repository. Raises FileNotFoundError."""
        return _existing(repository, [f"{name}.py" for name in self.tests])


def _existing(repository: Path, paths: list[str]) -> list[str]:
    for path in paths:
        if not (repository / path).exists():
            raise FileNotFoundError(path)
    return paths


PARTS = {
    "times": Part(("model/times",), (f"{UNIT}/test_model_times",)),
    "days": Part(("model/days",), (f"{UNIT}/test_server_model_days",)),
    "alarms": Part(("model/alarms",), (f"{UNIT}/test_alarms",)),
    "levels": Part(("model/levels",), (f"{UNIT}/test_server_model_levels",)),
    "corrections": Part(("model/pours",), (f"{UNIT}/test_server_model_pours",)),
    "calibration": Part(("model/calibration",), (f"{UNIT}/test_server_model_calibration",)),
    "units": Part(("model/units",), (f"{UNIT}/test_web_units",)),
    "form": Part(("ingest/form",), (f"{UNIT}/test_ingest_form",)),
    "signature": Part(("signature",), (f"{UNIT}/test_ingest_signature",)),
    "registration": Part(("model/registration",), (f"{UNIT}/test_registration_code",)),
    "waiting": Part(("model/waiting",), (f"{UNIT}/test_waiting_clients",)),
    "limits": Part(("limits", "log_limit", "counters"), (f"{UNIT}/test_ingest_limits",)),
    "proxies": Part(("proxies",), (f"{UNIT}/test_ingest_proxies",)),
    "events": Part(("ingest/kegboard_events",), (f"{UNIT}/test_kegboard_events",)),
    "receiver": Part(("ingest/receiver", "ingest/rest", "ingest/keys"), (f"{UNIT}/test_ingest_receiver",)),
    "kegboard": Part(
        ("ingest/kegboard", "ingest/kegboard_pairing", "ingest/kegboard_sensors", "storage/boards", "storage/repeats"),
        (f"{UNIT}/test_ingest_kegboard",),
    ),
    "history": Part(
        (
            "storage/kegs",
            "storage/pours",
            "storage/pour_rows",
            "storage/ranges",
            "storage/readings",
            "overview",
        ),
        (f"{HOUSEHOLD}/test_history",),
        ON_SQLITE,
    ),
    "library": Part(
        ("storage/taps", "storage/beers"),
        (f"{HOUSEHOLD}/test_history", f"{HOUSEHOLD}/test_library"),
        ("-k", "not postgresql and (tap or beer or k_factor)"),
    ),
    "thinning": Part(("storage/thinning",), (f"{HOUSEHOLD}/test_thinning",), ON_SQLITE),
    "transfer": Part(("storage/transfer", "storage/transfer_rows"), (f"{HOUSEHOLD}/test_transfer",), ON_SQLITE),
    "backup": Part(("storage/backup",), (f"{HOUSEHOLD}/test_backup",), ("-k", "not postgresql or program_for_backups")),
    "writing": Part(("storage/writer", "storage/insert"), (f"{UNIT}/test_storage_sqlite", f"{HOUSEHOLD}/test_databases"), ON_SQLITE),
    "file": Part(("storage/sqlite_file", "storage/database"), (f"{UNIT}/test_storage_sqlite", f"{HOUSEHOLD}/test_databases"), ON_SQLITE),
    "feed": Part(
        ("storage/feed", "storage/feed_sqlite"),
        (f"{UNIT}/test_storage_feed", f"{HOUSEHOLD}/test_databases"),
        ("-k", "not postgresql and not connects_again and (feed or change or announced)"),
    ),
    "leading": Part(
        ("storage/leader", "storage/feed_postgresql"),
        (f"{UNIT}/test_storage_sqlite", f"{HOUSEHOLD}/test_databases"),
        ("-k", "lead or work_ or feed or change"),
    ),
    "migrating": Part(
        ("storage/migrate",),
        (f"{UNIT}/test_storage_sqlite", f"{HOUSEHOLD}/test_databases"),
        ("-k", "not postgresql and (migra or newer or together or first_start or tables or copied or rewritten)"),
    ),
    "registry": Part(("storage/clients", "storage/settings", "storage/refusals"), (f"{UNIT}/test_storage_registry",)),
    "watch": Part(("watch", "alarm_rounds", "storage/alarms", "storage/notifications", "storage/receiving"), (f"{UNIT}/test_alarm_watch",)),
}
"""What is mutated: `ingest`, `storage`, the alarms, the time. A part has one database of mutants and one command for its tests."""

LEFT_OUT = (
    # One or two replacements of an operator say as much as ten. `|` is mostly in types, which are not evaluated.
    r"core/ReplaceBinaryOperator_BitOr_",
    # In SQL, `&` joins conditions: SQLite's * and + of two of them mean nearly the same.
    r"core/ReplaceBinaryOperator_BitAnd_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow|RShift|LShift)",
    # `*` and `**` of arguments: no program any more.
    r"core/ReplaceBinaryOperator_Pow_",
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
