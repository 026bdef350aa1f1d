// Drives a report in frames of three widths, in both themes, and writes what it found as JSON into this document.
const results = [];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const shown = (node) => getComputedStyle(node).display !== "none";
const opened = async (page, width) => {
  const frame = document.createElement("iframe");
  Object.assign(frame.style, { width: `${width}px`, height: "900px", border: "0" });
  frame.srcdoc = page;
  document.body.append(frame);
  await new Promise((done) => (frame.onload = done));
  return frame;
};
const besideOverflow = async (width) => {
  const frame = await opened(BESIDE, width);
  const doc = frame.contentDocument;
  for (const details of doc.querySelectorAll("details")) details.open = true;
  const overflow = doc.documentElement.scrollWidth - doc.documentElement.clientWidth;
  const figures = doc.querySelectorAll("figure .series").length;
  frame.remove();
  return [overflow, figures > 0];
};
const drive = async (width) => {
  const frame = await opened(PAGE, width);
  const { contentDocument: doc, contentWindow: win } = frame;
  const all = (selector) => [...doc.querySelectorAll(selector)];
  const overflow = () => doc.documentElement.scrollWidth - doc.documentElement.clientWidth;
  const found = { width, overflow: overflow(), tools: all(".tools button").length };
  const fire = (node, name) => node.dispatchEvent(new win.Event(name, { bubbles: true }));

  const table = doc.querySelector('.sheet[data-name="comparison-0"] table');
  const latency = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.includes("Latency"));
  const rows = () => [...table.tBodies[0].rows].filter((row) => !row.classList.contains("block"));
  const column = () => rows().map((row) => Number(row.cells[latency].dataset.v ?? Infinity));
  const sort = () => table.tHead.rows[0].cells[latency].querySelector("button").click();
  found.before = column();
  sort();
  found.ascending = column();
  sort();
  found.descending = column();
  sort();
  found.after = column();
  const fold = table.querySelector(".block button");
  fold.click();
  found.folded = [fold.getAttribute("aria-expanded"), shown(rows()[0])];
  fold.click();

  const [first, second] = all(".legend button").map((button) => button.dataset.series);
  const series = (index) => doc.querySelector(`figure .series[data-series="${index}"]`);
  fire(doc.querySelector(`.legend [data-series="${first}"]`), "pointerover");
  await pause(400);
  found.pointed = [win.getComputedStyle(series(first)).opacity, win.getComputedStyle(series(second)).opacity];
  fire(doc.body, "pointerover");
  const filter = doc.getElementById("filter");
  filter.value = doc.querySelector(`.legend [data-series="${first}"]`).lastChild.textContent.trim();
  fire(filter, "input");
  const row = (index) => table.querySelector(`tr[data-series="${index}"]`);
  found.filtered = [first, second].map((index) => win.getComputedStyle(row(index)).display);
  doc.getElementById("clear").click();
  const task = doc.getElementById("task");
  task.value = "1";
  fire(task, "change");
  found.task = all("[data-task]").map((part) => [part.dataset.task, win.getComputedStyle(part).display]);
  doc.getElementById("clear").click();
  const theme = doc.getElementById("theme");
  found.themes = {};
  for (const details of all("details")) details.open = true;
  for (const choice of ["light", "dark"]) {
    theme.value = choice;
    fire(theme, "change");
    const { backgroundColor, color } = win.getComputedStyle(doc.body);
    const marks = all(".mark, .status, .quiet, small").map((node) => win.getComputedStyle(node).color);
    found.themes[choice] = { paper: backgroundColor, inks: [...new Set([color, ...marks])], overflow: overflow() };
  }
  found.saved = await saved(win, all);
  found.beside = await besideOverflow(width);
  results.push(found);
  frame.remove();
};
const saved = async (win, all) => {
  const blobs = [];
  win.URL.createObjectURL = (blob) => (blobs.push(blob), "blob:nothing");
  win.HTMLAnchorElement.prototype.click = () => {};
  const files = {};
  for (const [what, root] of [["figure", "figure"], ["table", '.sheet[data-name="comparison-0"]']]) {
    for (const kind of ["SVG", "CSV", "PNG"]) {
      all(`${root} .tools button`).find((button) => button.textContent === kind).click();
      for (let i = 0; i < 40 && !blobs.length; i++) await pause(50);
      const blob = blobs.pop();
      files[`${what} ${kind}`] = { type: blob?.type, size: blob?.size, text: kind === "PNG" ? "" : await blob?.text() };
    }
  }
  return files;
};
(async () => {
  try {
    for (const width of [360, 768, 1280]) await drive(width);
  } catch (error) {
    results.push({ error: `${error} ${error.stack}` });
  }
  tell(results);
})();
