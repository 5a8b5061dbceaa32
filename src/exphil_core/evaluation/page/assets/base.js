// Small things that everything else uses: elements, numbers in words, colours, columns of numbers.
const SVG = "http://www.w3.org/2000/svg";

// An element with properties and children; strings become text, never markup.
function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props || {})) {
    // The page's policy forbids style attributes; colours come as variables.
    if (name === "fill" || name === "stroke") node.style[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const number = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const signed = (value, digits = 3) => (value === null ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(digits));
const count = (value) => value.toLocaleString("en-US");
function percent(value, digits) {
  if (value === null || value === undefined) return "–";
  const shown = value * 100;
  if (digits === undefined) digits = shown === 0 ? 0 : shown < 0.1 ? 3 : shown < 10 ? 1 : 0;
  return shown.toFixed(digits) + " %";
}
function interval(estimate, show = number) {
  if (estimate.value === null) return "–";
  if (estimate.low === null) return show(estimate.value);
  return `${show(estimate.value)} (${show(estimate.low)} to ${show(estimate.high)})`;
}
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const KINDS = { u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array, u32: Uint32Array };
// The whole numbers of a stored column; divide by its scale.
function column(stored) {
  const text = atob(stored.data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  const values = new KINDS[stored.kind](bytes.buffer);
  values.scale = stored.scale;
  values.width = stored.shape.length > 1 ? stored.shape[1] : 1;
  return values;
}

// Every canvas of the page: drawn when first seen, when its size or the colour scheme changes.
const drawings = [];
function canvas(className, label, draw, props) {
  const node = el("canvas", { class: className, role: "img", "aria-label": label, ...props });
  // Asking for the size makes the browser lay the page out: only when that can have changed.
  const drawing = { node, width: 0, height: 0, measure() {
    const box = node.getBoundingClientRect();
    drawing.ratio = Math.min(window.devicePixelRatio || 1, 2);
    [drawing.width, drawing.height] = [box.width, box.height];
    const [wide, high] = [Math.round(box.width * drawing.ratio), Math.round(box.height * drawing.ratio)];
    if (node.width !== wide || node.height !== high) [node.width, node.height] = [wide, high];
    drawing.redraw();
  }, redraw() {
    const { width, height, ratio } = drawing;
    if (!width || !height) return;
    const context = node.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  } };
  drawings.push(drawing);
  return drawing;
}
// A chart that is drawn anew for the width that it has, so that its letters keep their size.
const fluids = new WeakMap();
const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const fluid = fluids.get(target);
    if (!fluid) drawings.find((drawing) => drawing.node === target).measure();
    else if (contentRect.width && Math.abs(contentRect.width - fluid.width) >= 1) {
      fluid.width = contentRect.width;
      target.replaceChildren(fluid.draw(Math.round(contentRect.width)));
    }
  }
});
function fluid(draw) {
  const node = el("div", {});
  fluids.set(node, { draw, width: 0 });
  sizes.observe(node);
  return node;
}
function watchSizes() {
  for (const drawing of drawings) sizes.observe(drawing.node);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    refreshColours();
    for (const drawing of drawings) drawing.redraw();
  });
}
const colour = {};
function refreshColours() {
  for (const name of ["ground", "card", "sunk", "ink", "quiet", "line", "human", "model", "foe", "base", "stage", "platform", "human-soft", "model-soft", "sky"])
    colour[name] = css("--" + name);
}
// #rrggbb with an opacity.
function faded(hex, alpha) {
  const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${clamp(alpha, 0, 1).toFixed(3)})`;
}
function table(heads, rows, textColumns = [0]) {
  const cell = (tag, value, index) => {
    const node = el(tag, textColumns.includes(index) ? { class: "text" } : {}, value);
    if (tag === "th") node.scope = "col";
    return node;
  };
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" }, el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((head, i) => cell("th", head, i)))),
    el("tbody", {}, ...rows.map((row) => el("tr", row.shown ? { class: "shown" } : {}, ...row.map((value, i) => cell("td", value, i)))))));
}
const figures = (heads, rows, title = "The figures") => el("details", {}, el("summary", {}, title), table(heads, rows));
