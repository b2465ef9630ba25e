"""What a kernel may use, set by the kernel itself before it has a reader.

Memory is bounded by RLIMIT_DATA, which counts what a program may write to, and not by RLIMIT_AS:
allocators reserve far more addresses than they use. Where it is not enforced (macOS), the server
ends a kernel that has grown too big; `watch.py`.
"""

import resource
from pathlib import Path

STATM = Path("/proc/self/statm")
RESIDENT, DATA = 1, 5  # its columns [pages]


def bound(mib: int) -> None:
    """Let this process grow to a size, beyond which it gets a `MemoryError`.

    Parameters
    ----------
    mib : int
        Resident memory it may reach [MiB].
    """
    if not mib or not STATM.exists():
        return
    pages = [int(one) * resource.getpagesize() for one in STATM.read_text().split()]
    most = pages[DATA] + max(0, (mib << 20) - pages[RESIDENT])
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
