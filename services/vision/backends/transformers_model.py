"""A vision-language model of transformers: any with a processor and a chat template."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    TextStreamer,
)
from transformers.utils.logging import disable_progress_bar

from services.common.errors import InvalidRequestError
from services.common.settings import SettingsError
from services.vision.backends.base import Piece
from services.vision.conversation import Turn, Wish, Written

log = structlog.get_logger(__name__)
_Processors: Any = AutoProcessor
_Models: Any = AutoModelForImageTextToText
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
_NEEDS = (
    "It must be a vision-language model of transformers with a processor and a chat template. Some need further "
    "packages, as torchvision: the reason names them."
)


@dataclass(frozen=True)
class Placement:
    """Where and how the model runs.

    Attributes:
        device: "auto", "cpu" or "cuda".
        precision: "auto", "float32" or "bfloat16".
        threads: For the computation on the CPU.
        limit_s: Longest time for one answer.
    """

    device: str
    precision: str
    threads: int
    limit_s: float


class TransformersModel:
    """See `services.vision.backends.base.Backend`.

    Args:
        model: Loaded, in evaluation mode, on its device.
        processor: Makes its input.
        name: Hub id, or the folder's own name.
        limit_s: Longest time for one answer.
    """

    def __init__(self, model: Any, processor: Any, name: str, limit_s: float) -> None:
        self._model, self._processor, self._name, self._limit_s = model, processor, name, limit_s

    @property
    def name(self) -> str:
        """What the model is called at the interface."""
        return self._name

    def write(self, wish: Wish, piece: Piece, stop: threading.Event) -> Written:
        """See `Backend.write`."""
        inputs = self._inputs(wish.turns)
        prompt_tokens = int(inputs["input_ids"].shape[1])
        self._check_window(prompt_tokens, wish.answer_tokens)
        ending = _Ending(stop, time.monotonic() + self._limit_s)
        pieces = _Pieces(self._processor.tokenizer, piece)
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs,
                max_new_tokens=wish.answer_tokens,
                stopping_criteria=StoppingCriteriaList([ending]),
                streamer=pieces,
                **_sampling(wish.temperature),
            )
        answer = tokens[0, prompt_tokens:]
        is_whole = not ending.came and len(answer) < wish.answer_tokens
        return Written(pieces.text, is_whole, prompt_tokens, len(answer))

    def _inputs(self, turns: Sequence[Turn]) -> Mapping[str, Any]:
        inputs = self._processor.apply_chat_template(
            [{"role": turn.role, "content": [_part(part) for part in turn.parts]} for turn in turns],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        moved: Mapping[str, Any] = inputs.to(self._model.device, dtype=self._model.dtype)
        return moved

    def _check_window(self, prompt_tokens: int, answer_tokens: int) -> None:
        config = self._model.config.get_text_config()
        window = getattr(config, "max_position_embeddings", None)
        if window is not None and prompt_tokens + answer_tokens > window:
            raise InvalidRequestError(
                f"The call takes {prompt_tokens} tokens and asks for {answer_tokens}, but the model's context "
                f"length is {window} tokens."
            )


def load_model(model: str, revision: str | None, weights: Path | None, placement: Placement) -> TransformersModel:
    """Load a model. Code that comes with a model is never run.

    Args:
        model: Hub id or folder.
        revision: Of the hub; None: the newest.
        weights: Where downloaded ones are kept; None: where the hub's library keeps them.
        placement: Where and how it runs.

    Raises:
        SettingsError: It is no such model, its files are not to be had, or the device is not there.
    """
    torch.set_num_threads(placement.threads)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    device = _device(placement.device)
    options = {"revision": revision or "main", "cache_dir": weights, "trust_remote_code": False}
    try:
        processor = _Processors.from_pretrained(model, **options)
        loaded, loading = _Models.from_pretrained(
            model, dtype=_dtype(placement.precision, device), output_loading_info=True, **options
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        log.error("model_not_loaded", model=model, exc_info=error)
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(
            f"IMAGERAG_VISION_MODEL: {model} cannot be loaded. {_NEEDS} Reason: {reason}"
        ) from None
    if loading["missing_keys"]:
        # transformers would make up random ones.
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise SettingsError(f"IMAGERAG_VISION_MODEL: {model} has no weights for {missing}: fetch its files again.")
    if not (getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)):
        raise SettingsError(f"IMAGERAG_VISION_MODEL: {model} has no chat template: take an instruction-tuned one.")
    title = Path(model).resolve().name if Path(model).is_dir() else model
    return TransformersModel(loaded.to(device).eval(), processor, title, placement.limit_s)


class _Ending(StoppingCriteria):
    """Ends an answer that nobody waits for any more, or that takes too long."""

    def __init__(self, stop: threading.Event, ends_at: float) -> None:
        self._stop, self._ends_at = stop, ends_at
        self.came = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self.came = self._stop.is_set() or time.monotonic() > self._ends_at
        return torch.full((input_ids.shape[0],), self.came, device=input_ids.device, dtype=torch.bool)


class _Pieces(TextStreamer):
    """Hands on whole words as they come."""

    def __init__(self, tokenizer: Any, piece: Piece) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._piece = piece
        self.text = ""

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """The next words."""
        self.text += text
        if text:
            self._piece(text)


def _part(part: str | Image.Image) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}


def _sampling(temperature: float) -> dict[str, Any]:
    return {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}


def _device(wanted: str) -> str:
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise SettingsError(
            "IMAGERAG_VISION_DEVICE is cuda, but torch finds no CUDA device here: write cpu or auto"
        )
    if wanted == "auto":
        return "cuda" if present else "cpu"
    return wanted


def _dtype(wanted: str, device: str) -> torch.dtype:
    if wanted == "float32":
        return torch.float32
    capabilities = torch.cpu.get_capabilities()
    is_fast = device == "cuda" or any(bool(capabilities.get(flag, False)) for flag in _BFLOAT16_FLAGS)
    return torch.bfloat16 if wanted == "bfloat16" or is_fast else torch.float32
