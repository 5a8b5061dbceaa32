// Charts as SVG, each with the words that it stands for.

function ticks(low, high, wanted = 4) {
  const raw = (high - low || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= raw);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(+at.toPrecision(6));
  return found;
}
const short = (value) => (Math.abs(value) >= 1000 ? count(value) : String(+value.toPrecision(3)));

// Lines over epochs: [{name, colour, points: [[x, y]], dashed}].
function curves(title, lines, unit) {
  const last = lines.map((line) => [line.name, number(line.points[line.points.length - 1][1], 4)]);
  return el("figure", { class: "card" }, el("h3", {}, title), fluid((w) => curvesAt(w, title, lines)), figures(["", `last, ${unit}`], last));
}
function curvesAt(w, title, lines) {
  const [h, left, right, top, bottom] = [240, 40, 92, 12, 28];
  const xs = lines.flatMap((line) => line.points.map((p) => p[0]));
  const ys = lines.flatMap((line) => line.points.map((p) => p[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  const room = (y1 - y0 || Math.abs(y1) || 1) * 0.08;
  [y0, y1] = [y0 - room, y1 + room];
  const X = (x) => (x1 === x0 ? (left + w - right) / 2 : left + ((x - x0) / (x1 - x0)) * (w - left - right));
  const Y = (y) => h - bottom - ((y - y0) / (y1 - y0)) * (h - top - bottom);
  const node = svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": title });
  for (const y of ticks(y0, y1)) {
    node.append(svg("line", { class: "gridline", x1: left, x2: w - right, y1: Y(y), y2: Y(y) }));
    node.append(svg("text", { x: left - 6, y: Y(y) + 4, "text-anchor": "end" }, short(y)));
  }
  const epochs = ticks(x0, x1, Math.min(6, Math.max(1, x1 - x0))).filter((x) => Number.isInteger(x));
  for (const x of epochs) node.append(svg("text", { x: X(x), y: h - 10, "text-anchor": "middle" }, String(x)));
  node.append(svg("text", { x: w - right, y: h - 10, "text-anchor": "start", dx: 8 }, "epoch"));
  const labels = lines.map((line) => ({ line, y: Y(line.points[line.points.length - 1][1]) })).sort((a, b) => a.y - b.y);
  labels.forEach((label, i) => { if (i) label.y = Math.max(label.y, labels[i - 1].y + 13); });
  for (const { line, y } of labels) {
    const path = line.points.map((p, i) => `${i ? "L" : "M"}${X(p[0]).toFixed(1)} ${Y(p[1]).toFixed(1)}`).join("");
    node.append(svg("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": line.dashed ? 1.5 : 2.5, "stroke-dasharray": line.dashed ? "5 4" : "none", "stroke-linejoin": "round" }));
    if (!line.dashed && line.points.length < 40)
      for (const p of line.points) node.append(svg("circle", { cx: X(p[0]), cy: Y(p[1]), r: 3, fill: line.colour }));
    node.append(svg("text", { x: w - right + 8, y: y + 4, fill: line.dashed ? "var(--quiet)" : line.colour }, line.name));
  }
  return node;
}

// Rows of name, a bar or dot with its interval for each series, on one axis from 0 (or around it).
// rows: [{name, more, marks: [{estimate, colour, kind: "dot" | "tick", label}]}]
function dots(title, rows, options) {
  const show = options.show || number;
  const kinds = rows.length ? rows[0].marks.map((mark) => mark.label) : [];
  return el("figure", { class: "card" }, el("h3", {}, title), fluid((w) => dotsAt(w, title, rows, options, show)),
    figures(["", ...kinds], rows.map((row) => [row.name + (row.more ? `, ${row.more}` : ""), ...row.marks.map((m) => interval(m.estimate, show))])));
}
function dotsAt(w, title, rows, options, show) {
  const [rowHeight, top, bottom] = [options.tall || 30, 6, 26];
  const left = options.left || 128, right = 58;
  const h = top + bottom + rows.length * rowHeight;
  const ends = rows.flatMap((row) => row.marks.flatMap((m) => [m.estimate.value, m.estimate.low, m.estimate.high])).filter((v) => v !== null && v !== undefined);
  let x1 = Math.max(...ends, options.low ?? 0), x0 = Math.min(...ends, options.low ?? 0);
  if (x1 === x0) x1 = x0 + 1;
  if (x0 < 0) x0 -= (x1 - x0) * 0.04;
  x1 += (x1 - x0) * 0.04;
  const X = (x) => left + ((x - x0) / (x1 - x0)) * (w - left - right);
  const node = svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": title });
  for (const x of ticks(x0, x1, w < 380 ? 3 : 5)) {
    node.append(svg("line", { class: "gridline", x1: X(x), x2: X(x), y1: top, y2: h - bottom }));
    node.append(svg("text", { x: X(x), y: h - 10, "text-anchor": "middle" }, options.tick ? options.tick(x) : short(x)));
  }
  if (x0 < 0) node.append(svg("line", { x1: X(0), x2: X(0), y1: top, y2: h - bottom, stroke: "var(--quiet)" }));
  rows.forEach((row, index) => {
    const y = top + (index + 0.5) * rowHeight;
    node.append(svg("text", { class: "strong", x: left - 8, y: y + (row.more ? -1 : 4), "text-anchor": "end" }, row.name));
    if (row.more) node.append(svg("text", { x: left - 8, y: y + 11, "text-anchor": "end" }, row.more));
    const each = row.marks.filter((mark) => mark.estimate.value !== null);
    each.forEach((mark, place) => {
      const at = y + (options.spread ? (place - (each.length - 1) / 2) * options.spread : 0);
      const { value, low, high } = mark.estimate;
      const group = svg("g", {}, svg("title", {}, `${row.name}, ${mark.label}: ${interval(mark.estimate, show)}`));
      if (mark.kind === "bar") group.append(svg("rect", { x: Math.min(X(0), X(value)), y: at - 5, width: Math.max(Math.abs(X(value) - X(0)), 1), height: 10, rx: 2, fill: mark.colour }));
      if (low !== null && low !== undefined) group.append(svg("line", { x1: X(low), x2: X(high), y1: at, y2: at, stroke: mark.kind === "bar" ? "var(--ink)" : mark.colour, "stroke-width": mark.kind === "bar" ? 1.5 : 3, "stroke-linecap": "round", opacity: mark.kind === "tick" ? 0 : mark.kind === "bar" ? 0.8 : 0.4 }));
      if (mark.kind === "dot") group.append(svg("circle", { cx: X(value), cy: at, r: 5, fill: mark.colour }));
      if (mark.kind === "tick") group.append(svg("line", { x1: X(value), x2: X(value), y1: at - 9, y2: at + 9, stroke: mark.colour, "stroke-width": 2.5 }));
      node.append(group);
    });
    each.slice(0, options.spread ? undefined : 1).forEach((mark, place) => {
      const at = y + (options.spread ? (place - (each.length - 1) / 2) * options.spread : 0);
      node.append(svg("text", { x: w - right + 8, y: at + 4, fill: mark.colour }, show(mark.estimate.value)));
    });
  });
  return node;
}

// Of fewer frames than this nothing can be said: the dots would be all over the place.
const ENOUGH_FRAMES = 30;
// Chances against how often they came true: on the diagonal they are what they say.
function reliability(title, calibration) {
  const bins = calibration.bins.filter((bin) => bin.frames >= ENOUGH_FRAMES);
  const size = 170, left = 34, bottom = 28, top = 6, side = size - left - 4;
  const end = bins.length && Math.max(...bins.map((bin) => Math.max(bin.chance, bin.came_true))) < 0.5
    ? Math.max(...bins.map((bin) => Math.max(bin.chance, bin.came_true))) * 1.1 || 1 : 1;
  const X = (v) => left + (v / end) * side, Y = (v) => top + side - (v / end) * side;
  const most = Math.max(...bins.map((bin) => bin.frames), 1);
  const node = svg("svg", { viewBox: `0 0 ${size} ${top + side + bottom}`, role: "img", "aria-label": `calibration of ${title}: off by ${percent(calibration.ece.value, 2)} on average` });
  node.append(svg("rect", { class: "axis", x: left, y: top, width: side, height: side }));
  node.append(svg("line", { x1: X(0), y1: Y(0), x2: X(end), y2: Y(end), stroke: "var(--base)", "stroke-dasharray": "4 3" }));
  for (const v of [0, end / 2, end]) {
    const share = v * 100;
    const text = share && share < 0.01 ? share.toExponential(0) : short(+share.toPrecision(2));
    node.append(svg("text", { x: X(v), y: top + side + 13, "text-anchor": v === end ? "end" : "middle" }, text + (v === end ? " %" : "")));
    node.append(svg("text", { x: left - 4, y: Y(v) + 4, "text-anchor": "end" }, text));
  }
  node.append(svg("text", { x: left + side / 2, y: top + side + 26, "text-anchor": "middle" }, "said"));
  const path = bins.map((bin, i) => `${i ? "L" : "M"}${X(bin.chance).toFixed(1)} ${Y(bin.came_true).toFixed(1)}`).join("");
  node.append(svg("path", { d: path, fill: "none", stroke: "var(--model)", "stroke-width": 1.5 }));
  for (const bin of bins) {
    const dot = svg("circle", { cx: X(bin.chance), cy: Y(bin.came_true), r: 2 + 4 * Math.sqrt(bin.frames / most), fill: "var(--model)" });
    dot.append(svg("title", {}, `said ${percent(bin.chance)}, came true ${percent(bin.came_true)} of ${count(bin.frames)} frames`));
    node.append(dot);
  }
  return el("figure", { class: "card" }, el("h3", {}, title), node,
    el("figcaption", {}, `off by ${percent(calibration.ece.value, 2)}`));
}

// Sticks' positions: shares of frames on one scale for both, or the ratio of two.
const FAINTEST = 1e-5;
function heat(name, map, kind, onRead) {
  const side = map.centres.length;
  const peak = Math.max(...map.human.flat(), ...map.model.flat());
  const strength = (share) => (share <= FAINTEST ? 0 : Math.log(share / FAINTEST) / Math.log(peak / FAINTEST));
  const label = { human: `where the players hold the ${name}`, model: `where the model holds the ${name}`, ratio: `where the model holds the ${name} more and less often than the players` }[kind];
  const drawing = canvas("heat", label, (context, w, h) => {
    const cell = Math.min(w, h) / side;
    for (let row = 0; row < side; row++) for (let col = 0; col < side; col++) {
      const human = map.human[row][col], model = map.model[row][col];
      let fill = null;
      if (kind === "ratio") {
        const bits = clamp(Math.log2((model + FAINTEST * 10) / (human + FAINTEST * 10)) / 3, -1, 1);
        if (Math.abs(bits) > 0.02) fill = faded(bits > 0 ? colour.model : colour.human, Math.abs(bits));
      } else {
        const share = kind === "human" ? human : model;
        if (share > FAINTEST) fill = faded(colour[kind], 0.1 + 0.9 * strength(share));
      }
      if (fill === null) continue;
      context.fillStyle = fill;
      context.fillRect(col * cell, (side - 1 - row) * cell, cell + 0.3, cell + 0.3);
    }
    context.strokeStyle = faded(colour.quiet, 0.5);
    context.beginPath();
    context.arc(w / 2, h / 2, (Math.min(w, h) / 2) * (side - 1) / side, 0, 7);
    context.stroke();
  });
  drawing.node.addEventListener("pointermove", (event) => {
    const box = drawing.node.getBoundingClientRect();
    const col = clamp(Math.floor(((event.clientX - box.left) / box.width) * side), 0, side - 1);
    const row = clamp(side - 1 - Math.floor(((event.clientY - box.top) / box.height) * side), 0, side - 1);
    onRead(`x ${signed(map.centres[col], 2)}, y ${signed(map.centres[row], 2)}: players ${percent(map.human[row][col], 2)}, model ${percent(map.model[row][col], 2)} of frames`);
  });
  return drawing.node;
}
