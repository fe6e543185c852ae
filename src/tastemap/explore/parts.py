"""Elements of HTML with text, which is never read as HTML, and events that come with a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

Handler = Callable[..., Any]


class Tag(TextElement):
    """An element of HTML.

    name : of the tag
    classes : names of styles in look.css, with spaces between them
    attributes : of the tag; `_` stands for `-` in their names, None leaves one out
    """

    def __init__(self, name: str, text: str = "", classes: str = "", **attributes: Any) -> None:
        super().__init__(tag=name, text=text)
        self._classes[:] = classes.split()
        self.set(**attributes)

    def set(self, **attributes: Any) -> Tag:
        """Set attributes; None takes one away."""
        for name, value in attributes.items():
            key = name.rstrip("_").replace("_", "-")
            if value is None:
                self._props.pop(key, None)
            else:
                self._props[key] = value
        self.update()
        return self


def link(text: str, target: str, classes: str = "") -> ui.link:
    """Make a link within the explorer; its target begins with a slash."""
    made = ui.link(text, target)
    made._classes[:] = classes.split()
    return made


def button(text: str, on_click: Handler, classes: str = "", name: str | None = None, **attributes: Any) -> Tag:
    """Make a button; name is what a screen reader says in place of the text."""
    made = Tag("button", text, f"button {classes}", type="button", aria_label=name, title=name, **attributes)
    made.on("click", on_click, args=[])
    return made


def choice(
    label: str, options: Mapping[str, str], value: str, on_change: Callable[[str], Awaitable[None] | None]
) -> Tag:
    """Make a list of which one is chosen; options are texts by value."""
    with Tag("label", classes="field"):
        Tag("span", label)
        chosen = Tag("select")
        with chosen:
            for key, text in options.items():
                Tag("option", text, value=key, selected=key == value or None)
        _on_value(chosen, on_change)
    return chosen


def switch(name: str, is_on: bool, on_change: Callable[[bool], Awaitable[None] | None], text: str = "") -> Tag:
    """Make a box to tick; name is what a screen reader says, text what is shown beside it."""
    with Tag("label", classes="switch"):
        box = Tag("input", type="checkbox", checked=is_on or None, aria_label=None if text else name)
        box.on("change", lambda event: on_change(bool(event.args)), js_handler="(e) => emit(e.target.checked)")
        if text:
            Tag("span", text)
    return box


def slide(label: str, value: float, on_change: Callable[[str], Awaitable[None] | None]) -> Tag:
    """Make a number from 0 to 1 to slide."""
    with Tag("label", classes="field"):
        Tag("span", label)
        slider = Tag("input", type="range", min="0", max="1", step="0.05", value=f"{value:g}")
        _on_value(slider, on_change)
    return slider


def write(label: str, on_change: Callable[[str], Awaitable[None] | None], **attributes: Any) -> Tag:
    """Make a field for a short text."""
    with Tag("label", classes="field"):
        Tag("span", label)
        field = Tag("input", type="text", **attributes)
        _on_value(field, on_change)
    return field


def _on_value(element: Tag, on_change: Callable[[str], Awaitable[None] | None]) -> None:
    element.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
