"""Results as tables of estimates: the one form that is printed, written as JSON and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.cli.evaluation.metrics import Estimate


@dataclass(frozen=True)
class Row:
    """What was measured in one way.

    Attributes:
        label: What was asked, for people.
        cells: An estimate by column.
    """

    label: str
    cells: Mapping[str, Estimate]


@dataclass(frozen=True)
class Table:
    """Several ways side by side.

    Attributes:
        name: Short and stable, for programs.
        title: For people.
        columns: In their order; a row may leave some out.
        note: What a person has to know to read it.
        intervals: Print them; the JSON has them always.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    intervals: bool = True

    def cell(self, label: str, column: str) -> Estimate:
        """One estimate.

        Raises:
            KeyError: There is none.
        """
        return next(row for row in self.rows if row.label == label).cells[column]


@dataclass(frozen=True)
class Check:
    """A figure against what it has to be.

    Attributes:
        name: What was measured.
        measured: The figure.
        target: The least it has to be.
    """

    name: str
    measured: float
    target: float

    @property
    def met(self) -> bool:
        """The figure is as good as it has to be, to the third decimal."""
        return round(self.measured, 3) >= round(self.target, 3)


@dataclass(frozen=True)
class Report:
    """Everything that one run of the evaluation measured.

    Attributes:
        system: What was measured: version, model, address.
        data_set: Its name and sizes.
        checks: Only of a run on the whole data set.
        took_s: Seconds by stage.
    """

    system: Mapping[str, Any]
    data_set: Mapping[str, Any]
    tables: tuple[Table, ...]
    checks: tuple[Check, ...]
    took_s: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "system": dict(self.system),
            "data_set": dict(self.data_set),
            "tables": {table.name: _table_document(table) for table in self.tables},
            "checks": [{**asdict(check), "met": check.met} for check in self.checks],
            "took_s": {stage: round(seconds, 2) for stage, seconds in self.took_s.items()},
        }


def _table_document(table: Table) -> dict[str, Any]:
    rows: Sequence[dict[str, Any]] = [
        {"label": row.label, **{column: asdict(cell) for column, cell in row.cells.items()}} for row in table.rows
    ]
    return {"title": table.title, "note": table.note, "rows": rows}
