"""Where the workers of one service gather their figures: a directory that is gone when the service is."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "cds-service-"
# In memory, where there is such a place: the figures are mapped files, and a full disk would end who writes them.
_MEMORY = Path("/dev/shm")


class Folder:
    """The directory, named to prometheus-client; to be made before the first figure is."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock  # held by the service and its workers for as long as one of them lives

    @classmethod
    def make(cls) -> Self:
        """Make one, and clear away those of services that were killed."""
        within = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
        _clear(within)
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
        lock = os.open(path / "making", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / "making").rename(path / "lock")  # under this name it is seen, and locked already
        os.environ[_VARIABLE] = str(path)
        return cls(path, lock)

    def remove(self) -> None:
        os.environ.pop(_VARIABLE, None)
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)


def _clear(within: Path) -> None:
    """Remove the directories of ours whose lock nobody holds."""
    for path in within.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another's, in use, or gone by now
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
