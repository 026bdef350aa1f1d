// Points at places of a view in a frame, and tells what its tiles show.
const pointed = async () => {
  const frame = document.createElement("iframe");
  Object.assign(frame.style, { width: "390px", height: "900px", border: "0" });
  frame.srcdoc = PAGE;
  document.body.append(frame);
  await new Promise((done) => (frame.onload = done));
  const { contentDocument: doc, contentWindow: win } = frame;
  const image = doc.getElementById("image");
  const box = image.getBoundingClientRect();
  const brightest = () =>
    [...doc.querySelectorAll("canvas")].map((canvas) => {
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      const lights = Array.from({ length: data.length / 4 }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]);
      return lights.indexOf(Math.max(...lights));
    });
  const seen = () => [doc.getElementById("where").textContent, ...brightest()];
  const at = (name, column, row) => {
    const point = { clientX: box.left + column * box.width, clientY: box.top + row * box.height, bubbles: true };
    image.dispatchEvent(new win.PointerEvent(name, point));
    return seen();
  };
  const key = (name) => (image.dispatchEvent(new win.KeyboardEvent("keydown", { key: name, bubbles: true })), seen());
  return {
    moved: at("pointermove", 0.9, 0.2),
    held: at("pointerdown", 0.1, 0.9),
    still: at("pointermove", 0.9, 0.2),
    right: key("ArrowRight"),
    up: key("ArrowUp"),
    freed: [at("pointerdown", 0.5, 0.2), at("pointermove", 0.9, 0.9)].pop(),
    overflow: doc.documentElement.scrollWidth - doc.documentElement.clientWidth,
  };
};
pointed().catch((error) => ({ error: `${error} ${error.stack}` })).then(tell);
