"""The order in which pours are handed out, as a value."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from kegnet.client.retry import Attempts
from kegnet.client.spool.queue import Entry, Queue

NEVER = float("inf")


def queue(*entries: Entry) -> Queue:
    made = Queue()
    for entry in entries:
        made.put(entry)
    return made


def drained(made: Queue, now: float) -> list[str]:
    names = []
    while (entry := made.next(now)) is not None:
        names.append(entry.name)
        made.remove(entry.name)
    return names


def test_the_oldest_is_first() -> None:
    assert drained(queue(Entry("new", 3), Entry("old", 1), Entry("b", 2), Entry("a", 2)), now=0) == ["old", "a", "b", "new"]


def test_fewest_failures_are_first_and_refused_pours_last() -> None:
    made = queue(Entry("failed", 1, Attempts(failures=9)), Entry("refused", 0, Attempts(failures=1, refused_at=0.0)), Entry("fresh", 2))
    assert drained(made, now=0) == ["fresh", "failed", "refused"]


def test_what_is_put_off_is_handed_out_when_it_is_due() -> None:
    made = queue(Entry("x", 1, wait_until=100), Entry("y", 2, Attempts(due=50)))
    assert (made.next(49), made.next_due(49)) == (None, 50)
    assert drained(made, now=50) == ["y"]
    assert made.next_due(50) == 100
    assert drained(made, now=100) == ["x"]
    assert made.next_due(100) == NEVER


def test_forgotten_attempts_make_everything_due() -> None:
    made = queue(Entry("x", 1, Attempts(9, 500, 3)))
    made.forget_attempts()
    assert drained(made, now=0) == ["x"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), max_size=40), st.integers())
def test_any_order_of_changes_hands_out_what_a_sorted_list_would(changes: list[tuple[str, int, int, int]], seed: int) -> None:
    made, model, source = Queue(), dict[str, Entry](), random.Random(seed)
    for now, (name, mtime, due, failures) in enumerate(changes):
        if source.random() < 0.2 and name in model:
            made.remove(name)
            del model[name]
        else:
            model[name] = Entry(name, mtime, Attempts(failures, due))
            made.put(model[name])
        due_now = sorted((entry for entry in model.values() if entry.due <= now), key=lambda entry: entry.sort_key)
        assert made.next(now) == (due_now[0] if due_now else None)
        later = min((max(entry.due, now) for entry in model.values()), default=NEVER)
        assert made.next_due(now) == later
