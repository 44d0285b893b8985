"""The README's tables of settings are those of the code.

`python -m tests.unit.cli.test_cli_settings_table` writes them anew.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from services.cli.settings import CliSettings, ClusterPorts, ExternalServers
from services.cli.snapshots.settings import SnapshotSettings
from services.common.settings import ServiceSettings, variable_name
from services.encoder.settings import EncoderSettings
from services.gateway.settings import GatewaySettings
from services.generator.settings import GeneratorSettings
from services.retriever.settings import RetrieverSettings
from services.store.settings import StoreSettings
from services.vision.settings import VisionSettings
from workers.settings import WorkersSettings

README = Path(__file__).parents[3] / "README.md"
TABLES: dict[str, type[BaseSettings]] = {
    "every service": ServiceSettings,
    "gateway": GatewaySettings,
    "retriever": RetrieverSettings,
    "encoder": EncoderSettings,
    "generator": GeneratorSettings,
    "vision": VisionSettings,
    "store": StoreSettings,
    "workers": WorkersSettings,
    "command line": CliSettings,
    "snapshots": SnapshotSettings,
    "servers that replace embedded ones": ExternalServers,
    "ports of imagerag up": ClusterPorts,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_that_of_the_settings_class(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text, name) == text, f"the README must say:\n{table(TABLES[name])}"


def with_table(text: str, name: str) -> str:
    """`text` with the current table between its marks."""
    begin, end = f"<!-- settings: {name} -->\n", "<!-- end -->"
    before, _, rest = text.partition(begin)
    assert rest, f"the README has no place for the table: {begin}{end}"
    return before + begin + table(TABLES[name]) + end + rest.split(end, 1)[1]


def table(settings_type: type[BaseSettings]) -> str:
    """A row for each field of the class that the shared class does not have, or that it changes."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in settings_type.model_fields.items():
        if settings_type is ServiceSettings or not _is_inherited(name, field):
            rows.append(f"| `{_variable(settings_type, name)}` | {_default(field)} | {_meaning(field)} |")
    return "\n".join(rows) + "\n"


def _is_inherited(name: str, field: FieldInfo) -> bool:
    shared = ServiceSettings.model_fields.get(name)
    return shared is not None and (shared.default, shared.description) == (field.default, field.description)


def _variable(settings_type: type[BaseSettings], name: str) -> str:
    variable = variable_name(settings_type, name)
    plain = settings_type is ServiceSettings and not variable.startswith("IMAGERAG_")
    return f"IMAGERAG_SERVICE_{variable}" if plain else variable


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "by the machine"
    value = field.default
    if value is None or value in ("", ()):
        return ""
    return f"`{value}`"


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").replace("|", "\\|").split())


if __name__ == "__main__":
    README.write_text(reduce(with_table, TABLES, README.read_text(encoding="utf-8")), encoding="utf-8")
