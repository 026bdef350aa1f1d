// Pointing at a design marks it everywhere; a click on its button keeps it marked. Filters by name and task; theme.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const buttons = all(".legend button");
  const name = (button) => button.lastChild.textContent.trim();
  const rule = () => document.head.appendChild(document.createElement("style"));
  const [marking, filtering] = [rule(), rule()];
  const pinned = new Set();

  const mark = (pointed) => {
    const on = [...new Set([...pinned, ...(pointed === null ? [] : [pointed])])];
    const others = on.map((series) => `:not([data-series="${series}"])`).join("");
    marking.textContent = on.length ? `.series${others},.legend button${others}{opacity:.12}` : "";
    for (const node of all("tr.on,.legend .on,b.on")) node.classList.remove("on");
    for (const series of on) {
      for (const node of all(`tr[data-series="${series}"],button[data-series="${series}"]`)) node.classList.add("on");
    }
  };
  let last = null;
  const seriesAt = (event) => event.target.closest?.("[data-series]")?.dataset.series ?? null;
  const point = (event) => {
    const series = seriesAt(event);
    if (series !== last) mark((last = series));
  };
  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", point);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { series } = button.dataset;
      if (!pinned.delete(series)) pinned.add(series);
      button.setAttribute("aria-pressed", String(pinned.has(series)));
      mark(series);
    });
  }

  // thin lines are hard to hit: each gets a wide one that nobody sees
  for (const line of all("figure .series path[fill=none]")) {
    const wide = line.cloneNode();
    wide.setAttribute("stroke", "transparent");
    wide.setAttribute("stroke-width", "9");
    wide.classList.add("hit");
    line.before(wide);
  }

  const bar = document.getElementById("bar");
  if (!bar) return;
  bar.hidden = false;
  const [filter, task, theme] = ["filter", "task", "theme"].map((id) => document.getElementById(id));
  const apply = () => {
    const wanted = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const kept = (button) => !wanted.length || wanted.some((word) => name(button).toLowerCase().includes(word));
    const hidden = buttons.filter((button) => !kept(button)).map(({ dataset }) => `[data-series="${dataset.series}"]`);
    const rules = hidden.map((series) => `.series${series},tr${series},button${series}`);
    if (task?.value) rules.push(`[data-task]:not([data-task="${task.value}"])`);
    filtering.textContent = rules.length ? `${rules.join(",")}{display:none}` : "";
  };
  filter.addEventListener("input", apply);
  task?.addEventListener("change", apply);
  theme.addEventListener("change", () => {
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
  });
  document.getElementById("clear").addEventListener("click", () => {
    filter.value = "";
    if (task) task.value = "";
    pinned.clear();
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
    apply();
    mark((last = null));
  });
  addEventListener("beforeprint", () => all("details").forEach((node) => (node.open = true)));
})();
