"""Tokens before workers as they are really started: each opens once, and who waits holds up nobody."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.cases_as_fhir import request_for
from tests.functional.securing import table
from tests.functional.test_service import PLAIN, SELECT
from tests.minting import mint
from tests.serving import free_port, service


def _status(base: str, token: str) -> int:
    """What a running service answers to a call with this token."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps(request_for(PLAIN)).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(base + SELECT, body, headers), timeout=20) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    return status


def test_while_the_store_is_written_callers_with_tokens_wait_and_the_loop_does_not(tmp_path: Path) -> None:
    """Their tokens are remembered when the store is free again, each once; meanwhile the service says that it lives."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    (tmp_path / "clients.toml").write_text(table(), encoding="utf-8")
    with service(tmp_path, port=port, workers=1, CDS_CLIENTS="clients.toml", CDS_PUBLIC_URL=base) as served:
        second = int(time.time())
        tokens = [mint(SELECT, base=base, claims={"iat": second, "exp": second + 60}) for _ in range(4)]
        assert _status(base, tokens[0]) == 200
        (file,) = tmp_path.glob("*.sqlite3")
        with closing(sqlite3.connect(file, isolation_level=None)) as another, ThreadPoolExecutor(3) as threads:
            another.execute("BEGIN IMMEDIATE")
            waiting = [threads.submit(_status, base, token) for token in tokens[1:]]
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                with urllib.request.urlopen(f"{base}/health/live", timeout=0.5) as answer:
                    assert answer.status == 200
                assert not any(each.done() for each in waiting)
            another.execute("ROLLBACK")
            assert [each.result() for each in waiting] == [200] * 3
        assert [_status(base, token) for token in tokens] == [401] * 4
        assert served.stop() == 0


def test_a_token_opens_once_across_worker_processes(tmp_path: Path) -> None:
    """Of twenty calls at once with one token, under two workers as they are really started, one is answered."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    (tmp_path / "clients.toml").write_text(table(), encoding="utf-8")
    with service(tmp_path, port=port, CDS_CLIENTS="clients.toml", CDS_PUBLIC_URL=base) as served:
        while len(served.workers) < 2:
            time.sleep(0.05)
        second = int(time.time())
        tokens = [mint(SELECT, base=base, claims={"iat": second, "exp": second + 60}) for _ in range(2)]
        with ThreadPoolExecutor(20) as threads:
            answers = [list(threads.map(partial(_status, base), [token] * 20)) for token in tokens]
        assert served.stop() == 0
    assert [sorted(each) for each in answers] == [[200] + [401] * 19] * 2
    assert served.said.count('"jwt":"replayed"') == 38
    assert not [token for token in tokens if token in served.said or token.split(".")[2] in served.said]
