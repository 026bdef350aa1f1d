"use strict";
(() => {
  const marked = [...document.querySelectorAll("[data-series]")];
  const buttons = marked.filter((node) => node.tagName === "BUTTON");
  let pinned = null;
  const show = (series) => {
    document.body.classList.toggle("picked", series !== null);
    for (const node of marked) node.classList.toggle("on", node.dataset.series === series);
  };
  const seriesAt = (event) => event.target.closest?.("[data-series]")?.dataset.series ?? null;
  document.addEventListener("pointerover", (event) => show(seriesAt(event) ?? pinned));
  document.addEventListener("focusin", (event) => show(seriesAt(event) ?? pinned));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      pinned = pinned === button.dataset.series ? null : button.dataset.series;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other.dataset.series === pinned));
      show(pinned);
    });
  }
})();
