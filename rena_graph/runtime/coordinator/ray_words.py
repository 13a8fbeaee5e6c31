"""What Ray's exceptions say, in the words of those that they carry."""

from __future__ import annotations

__all__ = ["plain"]


def plain(error: BaseException) -> str:
    """The error's own words, without the frames that Ray puts around them."""
    cause = getattr(error, "cause", None)
    text = str(cause if isinstance(cause, BaseException) else error).strip()
    return text if len(text) < 4000 else text[:4000] + " …"
