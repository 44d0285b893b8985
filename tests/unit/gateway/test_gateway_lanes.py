import pytest
from prometheus_client import REGISTRY

from services.common.errors import OverloadedError
from services.gateway.lanes import Lanes
from services.gateway.policy import Lane


def lanes() -> Lanes:
    return Lanes({Lane.SEARCH: 2, Lane.UPLOAD: 1})


def in_flight() -> float:
    """As a scraper sees it."""
    return REGISTRY.get_sample_value("imagerag_gateway_in_flight", {"lane": "search"}) or 0.0


def test_a_full_lane_refuses_and_the_others_do_not() -> None:
    bounded = lanes()
    places = [bounded.place(Lane.SEARCH) for _ in range(2)]
    for place in places:
        place.take()
    with pytest.raises(OverloadedError) as refused:
        bounded.place(Lane.SEARCH)
    assert refused.value.retry_after_s
    bounded.place(Lane.UPLOAD).take()
    places[0].give_back()
    bounded.place(Lane.SEARCH).take()


def test_who_looked_early_may_find_it_full_later() -> None:
    bounded, before = lanes(), in_flight()
    places = [bounded.place(Lane.SEARCH) for _ in range(3)]
    places[0].take()
    places[1].take()
    with pytest.raises(OverloadedError):
        places[2].take()
    places[2].give_back()
    assert in_flight() == before + 2
    for place in places:
        place.give_back()
    assert in_flight() == before


def test_a_place_is_taken_and_given_back_once() -> None:
    bounded = lanes()
    place = bounded.place(Lane.UPLOAD)
    place.take()
    place.take()
    place.give_back()
    place.give_back()
    place.take()  # it was given back for good
    bounded.place(Lane.UPLOAD).take()
    with pytest.raises(OverloadedError):
        bounded.place(Lane.UPLOAD)


def test_without_a_lane_there_is_always_room() -> None:
    for _ in range(10):
        lanes().place(None).take()
