"""The search box: proposals while somebody types, by mouse, keyboard and screen reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nicegui import ui

from tastemap.explore import texts
from tastemap.explore.parts import Tag, within_page


@dataclass(frozen=True)
class Proposal:
    """What may be meant.

    detail : what tells it from others of the name
    """

    id: str
    name: str
    detail: str = ""


class Pick:
    """A field with a list of proposals below it (the pattern "combobox" of WAI-ARIA).

    find : returns what a text may mean, and whether it is only spelt nearly so
    choose : takes the id of what was chosen
    """

    def __init__(
        self,
        label: str,
        find: Callable[[str], Awaitable[tuple[Sequence[Proposal], bool]]],
        choose: Callable[[str], Awaitable[None] | None],
    ) -> None:
        self._find, self._choose = find, choose
        self._found: Sequence[Proposal] = ()
        self._options = list[Tag]()
        self._at = -1
        self._asked = 0
        with Tag("div", classes="pick"):
            with Tag("label", classes="field"):
                Tag("span", label)
                self._input = Tag(
                    "input", type="search", autocomplete="off", spellcheck="false",
                    role="combobox", aria_autocomplete="list", aria_expanded="false",
                )  # fmt: skip
            self._list = Tag("ul", classes="proposals", role="listbox", aria_label=label)
            self._told = Tag("p", classes="told", role="status")
        self._input.set(aria_controls=self._list.html_id)
        self._list.set_visibility(False)
        look, press = within_page(self._look), within_page(self._press)
        self._input.on(
            "input", lambda event: look(str(event.args)), js_handler="(e) => emit(e.target.value)", throttle=0.05
        )
        self._input.on("keydown", lambda event: press(str(event.args)), js_handler=_KEYS)
        self._input.on("blur", self._close, args=[])
        # A click must not take the focus away, or the list would be closed before it.
        self._list.on("mousedown", js_handler="(e) => e.preventDefault()")

    async def _look(self, text: str) -> None:
        text = text.strip()
        self._asked += 1
        asked = self._asked
        found, near = await self._find(text) if text else ((), False)
        if asked == self._asked:  # nobody has typed on
            self._show(found)
            self._told.text = "" if not text else texts.NOTHING_FOUND if not found else texts.NEAR if near else ""

    def _show(self, found: Sequence[Proposal]) -> None:
        self._found, self._at, self._options = found, -1, []
        self._list.clear()
        with self._list:
            for place, proposal in enumerate(found):
                option = Tag("li", role="option", aria_selected="false")
                with option:
                    Tag("span", proposal.name)
                    if proposal.detail:
                        Tag("small", proposal.detail)
                option.on("click", within_page(partial(self._take, place)), args=[])
                self._options.append(option)
        self._list.set_visibility(bool(found))
        self._input.set(aria_expanded="true" if found else "false", aria_activedescendant=None)

    async def _press(self, key: str) -> None:
        if key == "Escape":
            self._close()
        elif key == "Enter":
            if self._found:
                await self._take(max(self._at, 0))
        elif self._found:
            step = 1 if key == "ArrowDown" else -1
            self._mark((self._at + step) % len(self._found) if self._at >= 0 or step > 0 else len(self._found) - 1)

    def _mark(self, place: int) -> None:
        if self._at >= 0:
            self._options[self._at].set(aria_selected="false")
        self._at = place
        option = self._options[place].set(aria_selected="true")
        self._input.set(aria_activedescendant=option.html_id)

    async def _take(self, place: int) -> None:
        chosen = self._found[place].id
        ui.run_javascript(f"document.getElementById('{self._input.html_id}').value = ''")
        self._close()
        self._told.text = ""
        done = self._choose(chosen)
        if done is not None:
            await done

    def _close(self) -> None:
        self._asked += 1
        self._show(())


_KEYS = """(e) => {
  if (["ArrowDown", "ArrowUp", "Enter", "Escape"].includes(e.key)) { e.preventDefault(); emit(e.key); }
}"""
