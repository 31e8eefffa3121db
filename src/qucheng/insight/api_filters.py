"""Conditions of a list that are asked for, and only those: the planner then sees what the query is really about."""

from __future__ import annotations


class Filters:
    """Builds the part behind WHERE; the values are parameters."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> None:
        """Each `{}` of the condition is one of the values. Left out where they are None."""
        if None in values:
            return
        places = [f"${len(self.values) + number}" for number in range(1, len(values) + 1)]
        self.values += values
        self._conditions.append(condition.format(*places))

    def after(self, columns: str, position: tuple[object, ...] | None) -> None:
        """What stands behind the position in the order of these columns."""
        if position is not None:
            self.add(f"({columns}) > ({', '.join('{}' for _ in position)})", *position)

    def where(self) -> str:
        return " AND ".join(self._conditions) or "true"

    def limit(self, most: int) -> str:
        self.values.append(most)
        return f"LIMIT ${len(self.values)}"
