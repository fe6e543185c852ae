"""Elements of HTML with text, which is never read as HTML, and events that come with a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutine
from typing import Any

from nicegui import context, ui
from nicegui.elements.mixins.text_element import TextElement

from tastemap.explore import texts
from tastemap.explore.faults import word_error

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
        """Set attributes; None takes one away. Only what changes goes to the browser."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        changed = {name: value for name, value in wanted.items() if self._props.get(name) != value}
        for name, value in changed.items():
            if value is None:
                self._props.pop(name, None)
            else:
                self._props[name] = value
        if changed:
            self.update()
        return self

    def change(self, text: str) -> Tag:
        """Show another text."""
        if text != self.text:
            self.text = text
        return self

    def restyle(self, classes: str) -> Tag:
        """Take other styles."""
        if classes.split() != list(self._classes):
            self._classes[:] = classes.split()
            self.update()
        return self


def within_page(handler: Handler) -> Callable[..., Awaitable[None]]:
    """Return a handler that outlives the element which calls it, and says in a sentence what went wrong."""
    client = context.client

    async def handle(*given: Any) -> None:
        with client:
            try:
                done = handler(*given)
                if iscoroutine(done):  # a dialog can be awaited too, which opens it
                    await done
            except Exception as error:
                ui.notify(word_error(error), type="negative", close_button=texts.CLOSE)

    # Without a parameter that NiceGUI would fill with its event.
    return handle


def link(text: str, target: str, classes: str = "", **attributes: Any) -> Tag:
    """Make a link; `make_address` makes those within the explorer."""
    return Tag("a", text, classes, href=target, **attributes)


def button(text: str, on_click: Handler, classes: str = "", name: str | None = None, **attributes: Any) -> Tag:
    """Make a button; name is what a screen reader says in place of the text."""
    made = Tag("button", text, f"button {classes}", type="button", aria_label=name, title=name, **attributes)
    made.on("click", within_page(on_click), args=[])
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
        turn = within_page(on_change)
        box.on("change", lambda event: turn(bool(event.args)), js_handler="(e) => emit(e.target.checked)")
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
    take = within_page(on_change)
    element.on("change", lambda event: take(str(event.args)), js_handler="(e) => emit(e.target.value)")
