// A click on the head of a column sorts the rows of each block: up, down, as they were. Blocks fold.
(() => {
  const MANY = 60; // rows of a table: of longer ones one block is open at first
  const wrapped = (node, press) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...node.childNodes);
    node.append(button);
    button.addEventListener("click", () => press(button));
    return button;
  };
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };
  const compare = (column, way) => (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x !== null && y !== null) return way * (x - y);
    if (x !== null || y !== null) return x === null ? 1 : -1; // what was not measured comes last, either way
    return way * a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", { numeric: true });
  };
  for (const table of document.querySelectorAll("table")) {
    const bodies = [...table.tBodies];
    const original = bodies.map((body) => [...body.rows].filter((row) => !row.classList.contains("block")));
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      wrapped(head, () => {
        const next = { ascending: "descending", descending: "none" }[head.ariaSort] ?? "ascending";
        for (const other of heads) other.ariaSort = null;
        head.ariaSort = next === "none" ? null : next;
        bodies.forEach((body, i) => {
          const rows = [...original[i]];
          if (next !== "none") rows.sort(compare(column, next === "ascending" ? 1 : -1));
          body.append(...rows);
        });
      });
    });
    const long = table.rows.length > MANY;
    const holds = (body) => body.querySelector("[data-v]");
    const first = table.closest("[data-first]");
    const open = first ? bodies.findIndex(holds) : bodies.findLastIndex(holds);
    bodies.forEach((body, i) => {
      const title = body.querySelector(".block span");
      if (!title) return;
      const shut = long && i !== Math.max(open, 0);
      const button = wrapped(title, (pressed) => {
        const closed = body.classList.toggle("shut");
        pressed.setAttribute("aria-expanded", String(!closed));
      });
      body.classList.toggle("shut", shut);
      button.setAttribute("aria-expanded", String(!shut));
    });
  }
})();
