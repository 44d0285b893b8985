"""What every backend offers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from services.vision.conversation import Wish, Written

Piece = Callable[[str], None]


class Backend(Protocol):
    """A model. Blocks; one call at a time."""

    @property
    def name(self) -> str:
        """What the model is called at the interface."""

    def write(self, wish: Wish, piece: Piece, stop: threading.Event) -> Written:
        """Answer.

        Args:
            wish: The call.
            piece: Told of each further piece of the text.
            stop: Once set, the answer ends with the next token.

        Raises:
            InvalidRequestError: The conversation does not fit into the model's window.
        """
