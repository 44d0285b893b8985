import json

from hypothesis import given
from hypothesis import strategies as st

from services.common.web.event_stream import encode_event


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_breaks_out_of_its_event(text: str) -> None:
    event = encode_event("text", {"text": text}).decode()
    name, data, *rest = event.split("\n")
    assert name == "event: text"
    assert json.loads(data.removeprefix("data: ")) == {"text": text}
    assert rest == ["", ""]
