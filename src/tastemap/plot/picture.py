"""A figure that notebooks show without pyplot."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure


class Picture(Figure):
    """A matplotlib Figure that a notebook shows by itself, where a bare one is shown only once pyplot was imported."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the picture at twice its size, for sharp letters, and the size to show it in."""
        written = BytesIO()
        self.savefig(written, format="png", dpi=2 * self.dpi)
        width, height = (self.get_size_inches() * self.dpi).round().astype(int).tolist()
        return written.getvalue(), {"width": width, "height": height}
