"""What a re-evaluation looks like on paper."""

from ._summary import summary_text

__all__ = ["summary_text"]
