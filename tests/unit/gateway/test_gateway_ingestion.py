from services.common.jobs.records import ManifestLine
from services.gateway.ingestion import named


def test_a_line_has_a_name_one_can_find_again() -> None:
    assert named(ManifestLine(name="a.jpg", key="k"), 3).name == "a.jpg"
    assert named(ManifestLine(name="", key="k"), 3).name == "k"
    assert named(ManifestLine(name="", title="A title"), 3).name == "A title"
    assert named(ManifestLine(name=""), 3).name == "#3"
