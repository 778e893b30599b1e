"""What measures the service, where it can be tested without measuring."""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from tests.benchmarks import bodies, others, results, scaling
from tests.benchmarks.client import NotAnswered, ask_at_once, ask_in_turn, post
from tests.benchmarks.guard import RECORD, verdict
from tests.benchmarks.inside import SERVICE, stages, through
from tests.benchmarks.rounds import Case, Round, Rounds, Spread, repeated
from tests.benchmarks.targets import Target

HERE = Path(__file__).parent.parent / "benchmarks"
CALL = post("/", b"{}")


@contextmanager
def answering(*pieces: bytes) -> Iterator[int]:
    """A server on a port that sends these pieces to whoever asks, apart, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.recv(65_536)
                    for piece in pieces:
                        sock.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("ratio", "holds"),
    [(4.0, True), (2.0, True), (5.9, True), (6.1, False), (8.0, False)],
    ids=str,
)
def test_the_guard_refuses_twice_the_cost_and_bears_some_noise(ratio: float, holds: bool) -> None:
    """Against a recorded ratio of 4, up to half as much again passes, and twice as much fails."""
    assert verdict(ratio, 4.0)[0] is holds


def test_the_guard_has_a_record() -> None:
    """The ratio to hold is on record, with its day and its machine."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert record["ratio"] > 1
    assert all(record[name] for name in ("date", "processor", "python"))


def test_every_stage_that_is_measured_does_its_part(make_app: Callable[..., Flask]) -> None:
    """Each stage of the EHR-like body gives something, and the last of them the card that the application sends."""
    given = {stage.name: stage.run() for stage in stages(bodies.ehr())}
    assert [name for name, each in given.items() if not each] == []
    sent = json.loads(through(make_app().wsgi_app, SERVICE, bodies.ehr()))
    (measured,), (served,) = json.loads(given["bytes to bytes"])["cards"], sent["cards"]
    assert measured["detail"] == served["detail"]


def test_an_answer_in_pieces_is_waited_for() -> None:
    """An answer is whole with the last byte of its length, and a connection that is closed is opened anew."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n"
    with answering(head[:20], head[20:], b"\r\nab", b"cd") as port:
        assert len(ask_in_turn(port, [CALL] * 3)) == 3
        assert len(ask_at_once(port, iter([CALL] * 5), 2)) == 5


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b""],
    ids=["refused", "cut short", "nothing"],
)
def test_what_is_no_good_answer_is_not_counted(answer: bytes) -> None:
    """Anything but a whole 200 ends a run."""
    with answering(answer) as port:
        with pytest.raises(NotAnswered):
            ask_in_turn(port, [CALL])
        with pytest.raises(NotAnswered):
            ask_at_once(port, iter([CALL]), 1)


def test_the_worse_of_two_ways_counts() -> None:
    """Of two ways to measure a target the worse one decides, whether it asks for much or for little."""
    ways = [{"median": 2.0}, {"median": 4.0}]
    assert Target("much", 3, "", True, lambda _: ways).is_met({}) is False
    assert Target("little", 3, "", False, lambda _: ways).is_met({}) is False
    assert Target("much", 2, "", True, lambda _: ways).is_met({}) is True
    assert Target("little", 4, "", False, lambda _: ways).is_met({}) is True


def test_a_figure_is_the_median_with_its_extremes() -> None:
    """A single odd round moves an extreme and not the figure."""
    assert Spread.of([3.0, 1.0, 90.0, 2.0, 3.0]) == Spread(3.0, 1.0, 90.0)


def test_machines_are_counted_with_one_to_spare() -> None:
    """A thousand calls a second of 2 ms take four cores that are half busy: one machine, and one that may go."""
    assert scaling.cores_for(1_000, 2.0) == 4
    assert scaling.machines_for(1_000, 2.0) == 2
    assert scaling.machines_for(1_001, 2.0) == 3


def test_the_readme_tells_the_recorded_run() -> None:
    """The results in tests/benchmarks/README.md are those of results.json and others.json, as they are told now."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    figures = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    assert results.into(readme, figures) == readme
    beside = json.loads((HERE / "others.json").read_text(encoding="utf-8"))
    assert others.into(readme, beside) == readme
    assert re.search(r"^\d{4}-\d\d-\d\d: .*cores", readme, re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        "demo",
        "=http://127.0.0.1:1/",
        "demo=https://127.0.0.1:1/",
        "demo=http://example.org:1/",
        "demo=http://127.0.0.1/",
    ],
)
def test_only_a_service_on_this_machine_is_measured(text: str) -> None:
    """A service without a name, without a port, over TLS or on another machine is no peer of a run."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"NAME=http://127\.0\.0\.1:PORT/PATH"):
        others.Other.read(text)


def test_a_service_of_others_is_called_where_it_listens() -> None:
    """It is called by the port and the path of its address, and at the root where that has none."""
    assert others.Other.read("demo (1 process)=http://127.0.0.1:81/a/b") == others.Other("demo (1 process)", 81, "/a/b")
    assert others.Other.read("demo=http://127.0.0.1:81") == others.Other("demo", 81, "/")


def test_ours_is_compared_with_theirs_in_the_same_round() -> None:
    """Rounds are compared each with its own, so that a slow hour of the machine makes no ratio."""
    ours, theirs = (_rounds(rates) for rates in ((100.0, 10.0, 50.0), (200.0, 20.0, 100.0)))
    assert others.times(ours, theirs) == Spread(0.5, 0.5, 0.5)


def _rounds(rates: tuple[float, ...]) -> Rounds:
    case = Case("lean", "service", others.Other("service", 1, "/"), repeated(CALL))
    return Rounds(case, [Round(0.0, rate, 1.0, 1.0, 1.0, 0.0) for rate in rates])
