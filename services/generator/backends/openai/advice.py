"""What the operator can do about a refused call, for the log."""

from __future__ import annotations

from services.common.chat.refusals import Reason

ADVICE = {
    Reason.CONTEXT: "set IMAGERAG_GENERATOR_OPENAI_CONTEXT_TOKENS to the window that the model is served with",
    Reason.PICTURES: "the model seems to take no pictures: set IMAGERAG_GENERATOR_OPENAI_MAX_PICTURES=0",
    Reason.KEY: "set IMAGERAG_GENERATOR_OPENAI_API_KEY to a key that the endpoint accepts",
    Reason.MODEL: "set IMAGERAG_GENERATOR_OPENAI_MODEL to a model of the endpoint, or correct _BASE_URL",
    Reason.REQUEST: "the endpoint refuses a field: see _TEMPERATURE, _ANSWER_TOKENS_FIELD and _EXTRA_JSON",
}
