// Every figure and table is saved from the page itself: as SVG and PNG in the colours of the light theme, and as CSV.
(() => {
  const SCALE = 3; // pixels of a PNG for one of the page
  const NS = "http://www.w3.org/2000/svg";
  const download = (name, blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const light = (() => {
    const text = document.querySelector("style").textContent;
    return Object.fromEntries([...text.slice(0, text.indexOf("}")).matchAll(/--(\w+):(#\w+)/g)].map((m) => [m[1], m[2]]));
  })();
  const svgText = (svg) => {
    const copy = svg.cloneNode(true);
    for (const node of copy.querySelectorAll(".hit")) node.remove();
    const [, , width, height] = copy.getAttribute("viewBox").split(" ");
    const set = { width, height, "font-family": "system-ui, sans-serif", style: `background:${light.surface}` };
    for (const [key, text] of Object.entries(set)) copy.setAttribute(key, text);
    return new XMLSerializer().serializeToString(copy).replace(/var\(--(\w+)\)/g, (_, ink) => light[ink] ?? "#000000");
  };
  const png = (text, name) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.width * SCALE, image.height * SCALE];
      const context = canvas.getContext("2d");
      context.fillStyle = light.surface;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => download(name, blob));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };

  // a spreadsheet takes a text that begins like this for a formula
  const field = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value !== "number" && /^ *[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => row.map(field).join(",")).join("\n") + "\n";
  const words = (node) => (node.querySelector("small") ? [...node.childNodes].map((n) => n.textContent.trim()) : [node.textContent.trim()]).filter(Boolean).join(" ");
  const label = (head) => words(head.firstElementChild ?? head);
  const tableRows = (table) => {
    const heads = [...table.tHead.rows[0].cells].map(label);
    const bodies = [...table.tBodies];
    const ends = heads.map((_, i) => bodies.some((b) => [...b.rows].some((r) => r.cells[i]?.dataset.low || r.cells[i]?.dataset.high)));
    const wide = (values) => values.flatMap((v, i) => (ends[i] ? v : v.slice(0, 1)));
    const block = bodies.some((body) => body.querySelector(".block"));
    const rows = [[...(block ? ["block"] : []), ...wide(heads.map((h) => [h, `${h} low`, `${h} high`]))]];
    for (const body of bodies) {
      const title = body.querySelector(".block")?.textContent.trim() ?? "";
      for (const row of [...body.rows].filter((r) => !r.classList.contains("block"))) {
        const cells = [...row.cells].map((cell) => {
          const { v, low, high } = cell.dataset;
          const number = (text) => (text === undefined ? null : Number(text));
          if (v !== undefined) return [number(v), number(low), number(high)];
          const text = cell.tagName === "TH" ? cell.lastChild.textContent.trim() : words(cell);
          return [text === "–" ? null : text, null, null];
        });
        rows.push([...(block ? [title] : []), ...wide(cells)]);
      }
    }
    return rows;
  };

  // a table as SVG: each piece of text where the page shows it
  const tableSvg = (table) => {
    const origin = table.getBoundingClientRect();
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", `0 0 ${Math.ceil(origin.width) + 16} ${Math.ceil(origin.height) + 16}`);
    const add = (tag, attributes, text = "") => {
      const node = svg.appendChild(document.createElementNS(NS, tag));
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      node.textContent = text;
    };
    for (const row of table.rows) {
      const box = row.getBoundingClientRect();
      if (!box.height) continue;
      const y = box.bottom - origin.top + 8;
      add("path", { d: `M8 ${y}H${origin.width + 8}`, stroke: "var(--grid)", fill: "none" });
    }
    const walker = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.data.trim()) continue;
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      if (!box.width) continue;
      const style = getComputedStyle(node.parentElement);
      const ink = node.parentElement.style.color || (node.parentElement.tagName === "SMALL" ? "var(--muted)" : "var(--ink)");
      const at = { x: box.left - origin.left + 8, y: box.bottom - origin.top + 4, fill: ink };
      add("text", { ...at, "font-size": style.fontSize, "font-weight": style.fontWeight }, node.data.trim());
    }
    return svgText(svg);
  };

  const tools = (parent, name, before, makers) => {
    const box = document.createElement("div");
    box.className = "tools";
    for (const [kind, make] of Object.entries(makers)) {
      const button = box.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-label", `save ${name} as ${kind}`);
      button.addEventListener("click", make);
    }
    parent.insertBefore(box, before);
  };
  const text = (kind, content) => new Blob([content], { type: kind });
  for (const figure of document.querySelectorAll("figure")) {
    const { name } = figure.dataset;
    const svg = figure.querySelector("svg");
    tools(figure, name, null, {
      SVG: () => download(`${name}.svg`, text("image/svg+xml", svgText(svg))),
      PNG: () => png(svgText(svg), `${name}.png`),
      CSV: () => download(`${name}.csv`, text("text/csv", csv(JSON.parse(figure.querySelector("script").textContent)))),
    });
  }
  for (const sheet of document.querySelectorAll(".sheet")) {
    const { name } = sheet.dataset;
    const table = sheet.querySelector("table");
    tools(sheet, name, sheet.querySelector(".scroll"), {
      CSV: () => download(`${name}.csv`, text("text/csv", csv(tableRows(table)))),
      SVG: () => download(`${name}.svg`, text("image/svg+xml", tableSvg(table))),
      PNG: () => png(tableSvg(table), `${name}.png`),
    });
  }
})();
