"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const maps = data.maps.map((map) => ({ ...map, bytes: Uint8Array.from(atob(map.bytes), (c) => c.charCodeAt(0)) }));
  const image = document.getElementById("image");
  const cross = document.getElementById("cross");
  const where = document.getElementById("where");
  const stops = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
  const colours = Array.from({ length: 256 }, (_, value) => {
    const at = (value / 255) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2);
    return stops[i].map((low, c) => Math.round(low + (at - i) * (stops[i + 1][c] - low)));
  });
  let held = false;
  let now = -1;

  const nearest = (row, column) => {
    let best = 0;
    let least = Infinity;
    data.places.forEach(([y, x], i) => {
      const far = (y - row) ** 2 + (x - column) ** 2;
      if (far < least) [best, least] = [i, far];
    });
    return best;
  };

  const show = (place) => {
    if (place === now) return;
    now = place;
    const [row, column] = data.places[place];
    cross.style.top = `${100 * row}%`;
    cross.style.left = `${100 * column}%`;
    where.textContent = `row ${Math.round(100 * row)} %, column ${Math.round(100 * column)} %${held ? ", held" : ""}`;
    for (const canvas of document.querySelectorAll("canvas")) {
      const { rows, columns, bytes } = maps[Number(canvas.dataset.map)];
      canvas.width = columns;
      canvas.height = rows;
      const pixels = new ImageData(columns, rows);
      for (let i = 0; i < rows * columns; i += 1) {
        pixels.data.set([...colours[bytes[place * rows * columns + i]], 255], 4 * i);
      }
      canvas.getContext("2d").putImageData(pixels, 0, 0);
    }
  };

  const at = (event) => {
    const box = image.getBoundingClientRect();
    return nearest((event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width);
  };
  image.addEventListener("pointermove", (event) => held || show(at(event)));
  image.addEventListener("pointerdown", (event) => {
    const place = at(event);
    held = !(held && place === now);
    now = -1;
    show(place);
  });
  image.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [rows, columns] = [0, 1].map((axis) => new Set(data.places.map((place) => place[axis])).size);
    const [row, column] = data.places[now];
    show(nearest(row + step[0] / rows, column + step[1] / columns));
  });
  show(nearest(0.5, 0.5));
})();
