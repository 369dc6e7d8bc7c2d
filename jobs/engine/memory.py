"""Keeping a process small. Pictures are decoded into buffers of megabytes, and the C library would keep freed ones."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 256 * 1024


def give_back_large_buffers() -> None:
    """Have every buffer above 256 KiB go back to the system when it is freed. Forked children inherit this.

    As shipped, glibc raises its threshold with the first large buffer that is freed, up to 32 MiB, and gives each
    thread a heap of its own. Elsewhere than on glibc nothing is changed.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, LARGE_BYTES)
        library.mallopt(M_ARENA_MAX, 1)


def share_heaps(count: int) -> None:
    """Have all threads share so many heaps. With one each, every thread keeps what its largest photo once needed."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_ARENA_MAX, count)
