// What the player's hands did over what the model thought: the pad of one frame, the roll around it, the whole game.
const SHOWN_BUTTONS = ["A", "B", "X", "Y", "Z", "L", "R"];
const CELLS = { main: [1, 2], c: [3, 4] };
const heldBy = (game, t) => game.fighters[game.fighter].controller[t * 6];
const isHeld = (game, t, button) => (heldBy(game, t) >> game.buttons.indexOf(button)) & 1;
const pressChance = (game, t, button) => game.model.press[t * game.buttons.length + game.buttons.indexOf(button)] / 255;
function stickAt(game, t, stick) {
  const controller = game.fighters[game.fighter].controller;
  return CELLS[stick].map((part) => game.axis[controller[t * 6 + part]]);
}
const shoulderAt = (game, t) => game.shoulder_levels[game.fighters[game.fighter].controller[t * 6 + 5]];
const isPredicted = (game, t) => !Number.isNaN(game.total[t]);
// The model's likeliest cells: [x, y, chance].
function likeliest(game, t, stick) {
  const { x, y, chance } = game.model[stick], found = [];
  for (let k = 0; k < chance.width; k++) {
    const at = t * chance.width + k;
    if (chance[at]) found.push([game.axis[x[at]], game.axis[y[at]], chance[at] / 255]);
  }
  return found;
}

function padDrawing(game, state) {
  return function draw(g, w, h) {
    const t = state.t;
    const gate = (cx, cy, r, stick, title) => {
      g.fillStyle = colour.sunk;
      g.strokeStyle = colour.line;
      g.beginPath();
      for (let i = 0; i < 8; i++) {
        const angle = (i * Math.PI) / 4;
        g[i ? "lineTo" : "moveTo"](cx + r * 1.06 * Math.cos(angle), cy + r * 1.06 * Math.sin(angle));
      }
      g.closePath();
      g.fill();
      g.stroke();
      for (const [x, y, chance] of likeliest(game, t, stick)) {
        g.fillStyle = faded(colour.model, 0.35 + 0.45 * chance);
        g.beginPath();
        g.arc(cx + x * r, cy - y * r, 2 + 0.24 * r * Math.sqrt(chance), 0, 7);
        g.fill();
      }
      const [x, y] = stickAt(game, t, stick);
      g.strokeStyle = colour.human;
      g.lineWidth = 2.5;
      g.beginPath();
      g.moveTo(cx, cy);
      g.lineTo(cx + x * r, cy - y * r);
      g.stroke();
      g.beginPath();
      g.arc(cx + x * r, cy - y * r, Math.max(5, r * 0.13), 0, 7);
      g.stroke();
      g.lineWidth = 1;
      caption(title, cx, cy + r * 1.06 + 15);
    };
    const caption = (text, x, y) => {
      g.fillStyle = colour.quiet;
      g.font = "12px system-ui, sans-serif";
      g.textAlign = "center";
      g.fillText(text, x, y);
    };
    const r = Math.min(h * 0.3, w * 0.19);
    gate(r * 1.06 + 16, r * 1.06 + 6, r, "main", "main stick");
    const rc = r * 0.74, cx = r * 2.12 + 16 + (w - r * 2.12 - 78) / 2;
    gate(cx, r * 1.06 + 6, rc, "c", "C-stick");
    // The shoulder: how far the player holds it, and how likely the model thinks that it is held at all.
    const [bx, by, bw, bh] = [w - 36, 6, 16, r * 2.1];
    g.fillStyle = colour.sunk;
    g.fillRect(bx, by, bw, bh);
    g.fillStyle = faded(colour.model, 0.75);
    const chance = game.model.shoulder[t] / 255;
    g.fillRect(bx, by + bh * (1 - chance), bw, bh * chance);
    g.strokeStyle = colour.human;
    g.lineWidth = 2.5;
    const level = by + bh * (1 - shoulderAt(game, t));
    g.beginPath();
    g.moveTo(bx - 4, level);
    g.lineTo(bx + bw + 4, level);
    g.stroke();
    g.lineWidth = 1;
    caption("shoulder", bx + bw / 2, by + bh + 15);
    const step = w / SHOWN_BUTTONS.length, size = Math.min(step * 0.42, h * 0.11), y = h - size - 3;
    SHOWN_BUTTONS.forEach((button, i) => {
      const x = step * (i + 0.5), p = pressChance(game, t, button);
      g.fillStyle = colour.sunk;
      g.beginPath(); g.arc(x, y, size, 0, 7); g.fill();
      g.fillStyle = faded(colour.model, Math.pow(p, 0.6));
      g.beginPath(); g.arc(x, y, size, 0, 7); g.fill();
      const held = isHeld(game, t, button);
      g.strokeStyle = held ? colour.human : colour.line;
      g.lineWidth = held ? 3.5 : 1;
      g.beginPath(); g.arc(x, y, size - (held ? 1 : 0), 0, 7); g.stroke();
      g.fillStyle = p > 0.45 ? colour.card : colour.ink;
      g.font = `600 ${Math.round(clamp(size * 0.8, 11, 15))}px system-ui, sans-serif`;
      g.textAlign = "center";
      g.fillText(button, x, y + size * 0.28);
    });
    g.lineWidth = 1;
  };
}

const GUTTER = 46;
const rollReach = (w) => clamp(Math.floor((w - GUTTER) / 6.5), 30, 110);

// Three seconds or so around the frame: a lane for each button, each stick, and the nats.
function rollDrawing(game, state) {
  return function draw(g, w, h) {
    const t = state.t, reach = rollReach(w), px = (w - GUTTER) / (2 * reach + 1);
    const X = (u) => GUTTER + (u - t + reach) * px;
    const [first, last] = [Math.max(0, t - reach), Math.min(game.frames - 1, t + reach)];
    g.fillStyle = colour.card;
    g.fillRect(X(first), 0, X(last + 1) - X(first), h);
    const name = (text, y) => {
      g.fillStyle = colour.quiet;
      g.font = "11px system-ui, sans-serif";
      g.textAlign = "right";
      g.fillText(text, GUTTER - 6, y + 4);
    };
    let top = 2;
    for (const button of SHOWN_BUTTONS) {
      name(button, top + 7);
      g.fillStyle = colour.model;
      for (let u = first; u <= last; u++) {
        const p = pressChance(game, u, button);
        if (p > 0.01) { g.globalAlpha = Math.pow(p, 0.6); g.fillRect(X(u), top, px + 0.3, 14); }
      }
      g.globalAlpha = 1;
      g.fillStyle = colour.human;
      for (let u = first; u <= last; u++) if (isHeld(game, u, button)) g.fillRect(X(u), top + 4.5, px + 0.3, 5);
      g.strokeStyle = colour.line;
      g.beginPath(); g.moveTo(GUTTER, top + 15); g.lineTo(w, top + 15); g.stroke();
      top += 16;
    }
    const axis = (text, stick, which, high) => {
      name(text, top + high / 2);
      const Y = (v) => top + high / 2 - v * (high / 2 - 3);
      g.strokeStyle = colour.line;
      g.beginPath(); g.moveTo(GUTTER, Y(0)); g.lineTo(w, Y(0)); g.stroke();
      g.fillStyle = colour.model;
      const cells = game.model[stick], kept = cells.chance.width, steps = which ? cells.y : cells.x;
      for (let i = first * kept; i < (last + 1) * kept; i++) {
        if (!cells.chance[i]) continue;
        g.globalAlpha = Math.pow(cells.chance[i] / 255, 0.7);
        g.fillRect(X(Math.floor(i / kept)), Y(game.axis[steps[i]]) - 2.5, px + 0.3, 5);
      }
      g.globalAlpha = 1;
      g.strokeStyle = colour.human;
      g.lineWidth = 2;
      g.beginPath();
      for (let u = first; u <= last; u++) {
        const y = Y(stickAt(game, u, stick)[which]);
        g.lineTo(X(u), y);
        g.lineTo(X(u + 1), y);
      }
      g.stroke();
      g.lineWidth = 1;
      top += high + 2;
    };
    axis("main x", "main", 0, 36);
    axis("main y", "main", 1, 36);
    axis("C x", "c", 0, 22);
    axis("C y", "c", 1, 22);
    const high = h - top - 3;
    name("nats", top + high / 2);
    for (let u = first; u <= last; u++) {
      if (!isPredicted(game, u)) continue;
      const tall = high * Math.min(1, game.total[u] / 10);
      g.fillStyle = game.model.example[u] ? colour.model : colour.base;
      g.fillRect(X(u), top + high - tall, Math.max(px - 0.5, 1), tall);
    }
    g.fillStyle = faded(colour.ink, 0.1);
    g.fillRect(X(t), 0, px, h);
    g.strokeStyle = colour.ink;
    g.strokeRect(X(t) - 0.5, 0.5, px + 1, h - 1);
  };
}

// The whole game: both players' percent, stocks lost, and how much of a surprise the player was.
function overviewDrawing(game, state) {
  const still = document.createElement("canvas");
  let made = "";
  const top = 46, X = (t, w) => (t / Math.max(game.frames - 1, 1)) * w;
  function paint(w, h, ratio) {
    [still.width, still.height] = [Math.round(w * ratio), Math.round(h * ratio)];
    const g = still.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    const most = Math.max(100, ...game.fighters.map((f) => f.percent.reduce((a, b) => Math.max(a, b), 0)));
    game.fighters.forEach((fighter, i) => {
      const shade = i === game.fighter ? colour.human : colour.foe;
      g.strokeStyle = shade;
      g.lineWidth = 1.5;
      g.beginPath();
      for (let p = 0; p <= w; p++) {
        const t = Math.min(game.frames - 1, Math.round((p / w) * (game.frames - 1)));
        g.lineTo(p, top - 4 - (fighter.percent[t] / most) * (top - 10));
      }
      g.stroke();
      g.fillStyle = shade;
      for (let t = 1; t < game.frames; t++) if (fighter.stocks[t] < fighter.stocks[t - 1]) {
        g.beginPath();
        g.arc(X(t, w), 6 + 8 * i, 4, 0, 7);
        g.fill();
      }
    });
    const high = h - top - 3;
    g.fillStyle = colour.model;
    for (let p = 0; p < w; p++) {
      const [a, b] = [Math.floor((p / w) * game.frames), Math.max(Math.floor(((p + 1) / w) * game.frames), Math.floor((p / w) * game.frames) + 1)];
      let sum = 0, seen = 0;
      for (let t = a; t < Math.min(b, game.frames); t++) if (isPredicted(game, t) && game.model.example[t]) { sum += game.total[t]; seen++; }
      const tall = seen ? high * Math.min(1, Math.sqrt(sum / seen / 10)) : 0;
      g.fillRect(p, top + high - tall, 1, tall);
    }
  }
  return function draw(g, w, h) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2), wanted = [w, h, ratio, colour.card].join();
    if (made !== wanted) { paint(w, h, ratio); made = wanted; }
    g.drawImage(still, 0, 0, w, h);
    const reach = rollReach(w);
    g.fillStyle = faded(colour.ink, 0.1);
    g.fillRect(X(state.t - reach, w), 0, X(2 * reach, w), h);
    g.fillStyle = colour.ink;
    g.fillRect(clamp(X(state.t, w) - 1, 0, w - 2), 0, 2, h);
  };
}
