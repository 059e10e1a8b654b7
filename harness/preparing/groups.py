"""Groups of things that belong together, from links between two of them (union-find)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Groups:
    """So many things, each alone until it is joined. The smallest index of a group stands for it."""

    def __init__(self, size: int) -> None:
        self._up = np.arange(size, dtype=np.int64)

    def join(self, one: int, other: int) -> bool:
        """Makes one group of the groups of two things; False if they were in one already."""
        low, high = sorted((self._root(one), self._root(other)))
        self._up[high] = low
        return low != high

    @property
    def roots(self) -> NDArray[np.int64]:
        """The smallest index of the group of each thing."""
        while not np.array_equal(self._up, shorter := self._up[self._up]):
            self._up = shorter
        return self._up.copy()

    def members(self) -> list[list[int]]:
        """The things of each group, ascending; groups in the order of their first."""
        groups: dict[int, list[int]] = {}
        for thing, root in enumerate(self.roots.tolist()):
            groups.setdefault(root, []).append(thing)
        return list(groups.values())

    def _root(self, thing: int) -> int:
        up = self._up
        while (above := int(up[thing])) != thing:
            up[thing] = up[above]
            thing = above
        return thing
