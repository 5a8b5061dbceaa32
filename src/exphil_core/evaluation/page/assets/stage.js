// The game on the page: columns decoded, a camera that keeps both players in sight, and the stage with all that moves.

function decodedGame(view) {
  const fighter = (stored) => {
    const made = { ...stored };
    for (const name of ["x", "y", "facing", "percent", "shield", "stocks", "action", "flags", "controller"]) made[name] = column(stored[name]);
    if (stored.partner) {
      made.partner = {};
      for (const name of ["there", "x", "y", "facing", "action"]) made.partner[name] = column(stored.partner[name]);
    }
    return made;
  };
  const stick = (stored) => ({ x: column(stored.x), y: column(stored.y), chance: column(stored.chance) });
  const model = view.model;
  const items = view.items && {};
  if (items) for (const name of ["offset", "type", "owner", "x", "y"]) items[name] = column(view.items[name]);
  const game = {
    ...view,
    fighters: view.fighters.map(fighter),
    items,
    stage: { ...view.stage,
      heights: view.stage.heights && column(view.stage.heights),
      forms: view.stage.forms && column(view.stage.forms),
      randall: view.stage.randall && column(view.stage.randall) },
    model: { nats: column(model.nats), example: column(model.example), press: column(model.press), shoulder: column(model.shoulder), main: stick(model.main), c: stick(model.c) },
  };
  game.total = new Float32Array(game.frames);
  for (let t = 0; t < game.frames; t++) {
    const at = t * 4, nats = game.model.nats;
    game.total[t] = nats[at] === NO_NATS ? NaN : (nats[at] + nats[at + 1] + nats[at + 2] + nats[at + 3]) / nats.scale;
  }
  game.camera = cameraOf(game);
  return game;
}
const NO_NATS = 65535;
const place = (fighter, t) => [fighter.x[t] / fighter.x.scale, fighter.y[t] / fighter.y.scale];
const isDead = (action) => action <= 10;
function actionName(game, action) {
  return game.actions.find(([last]) => action <= last)[1];
}
function characterAt(fighter, t) {
  let title = "";
  for (const [start, name] of fighter.characters) if (start <= t) title = name;
  return title;
}

// Edges that keep the stage and both fighters in sight: [left, right, bottom, top] of each frame, moving smoothly.
function cameraOf(game) {
  const { frames, stage } = game, around = 45, blur = 30;
  const basis = [-stage.edge - 16, stage.edge + 16, -30, 66];
  const wanted = basis.map((edge) => new Float32Array(frames).fill(edge));
  for (const fighter of game.fighters) for (let t = 0; t < frames; t++) {
    if (isDead(fighter.action[t])) continue;
    const [x, y] = place(fighter, t);
    wanted[0][t] = Math.min(wanted[0][t], x - 20);
    wanted[1][t] = Math.max(wanted[1][t], x + 20);
    wanted[2][t] = Math.min(wanted[2][t], y - 12);
    wanted[3][t] = Math.max(wanted[3][t], y + 30);
  }
  const [left, right, top, bottom] = stage.blast;
  const limits = [left - 10, right + 10, bottom - 10, top + 10];
  return wanted.map((edges, side) => {
    const pick = side % 2 ? Math.max : Math.min;
    const wide = new Float32Array(frames), sums = new Float64Array(frames + 1), smooth = new Float32Array(frames);
    for (let t = 0; t < frames; t++) {
      let edge = edges[t];
      for (let u = Math.max(0, t - around); u <= Math.min(frames - 1, t + around); u += 3) edge = pick(edge, edges[u]);
      wide[t] = side % 2 ? Math.min(edge, Math.max(limits[side], basis[side])) : Math.max(edge, Math.min(limits[side], basis[side]));
    }
    for (let t = 0; t < frames; t++) sums[t + 1] = sums[t] + wide[t];
    for (let t = 0; t < frames; t++) {
      const [a, b] = [Math.max(0, t - blur), Math.min(frames, t + blur + 1)];
      smooth[t] = (sums[b] - sums[a]) / (b - a);
    }
    return smooth;
  });
}

function stageDrawing(game, state) {
  const colours = () => game.fighters.map((_, i) => (i === game.fighter ? colour.human : colour.foe));
  return function draw(g, w, h) {
    const t = state.t, [x0, x1, y0, y1] = game.camera.map((edges) => edges[t]);
    const s = Math.min(w / (x1 - x0), h / (y1 - y0));
    const X = (x) => w / 2 + (x - (x0 + x1) / 2) * s, Y = (y) => h / 2 - (y - (y0 + y1) / 2) * s;
    const view = { g, X, Y, s, w, h };
    drawBlastZone(view, game.stage);
    drawStage(view, game, t);
    const shades = colours();
    game.fighters.forEach((fighter, i) => drawTrail(view, fighter, t, shades[i]));
    drawItems(view, game, t, shades);
    game.fighters.forEach((fighter, i) => {
      const partner = fighter.partner;
      if (partner && partner.there[t] && !isDead(partner.action[t])) drawFigure(view, ...place(partner, t), partner.facing[t], partner.action[t], 0, 0, shades[i], 0.7);
    });
    // The player imitated comes last: on top.
    const order = [1 - game.fighter, game.fighter];
    for (const i of order) drawFighter(view, game.fighters[i], t, shades[i]);
    drawNames(view, order.map((i) => ({ fighter: game.fighters[i], shade: shades[i] })), t);
    g.fillStyle = colour.quiet;
    g.font = "12px system-ui, sans-serif";
    g.textAlign = "left";
    const form = game.stage.forms ? game.stage.form_names[game.stage.forms[t]] : "";
    g.fillText(game.stage.title + (form && form !== "normal" && form !== "unknown" ? `, ${form}` : ""), 12, 20);
  };
}

function drawBlastZone({ g, X, Y }, stage) {
  const [left, right, top, bottom] = stage.blast;
  g.save();
  g.setLineDash([6, 6]);
  g.strokeStyle = faded(colour.human, 0.5);
  g.strokeRect(X(left), Y(top), X(right) - X(left), Y(bottom) - Y(top));
  g.restore();
}

function drawStage({ g, X, Y, s }, game, t) {
  const { stage } = game, ledge = stage.ledge;
  const ground = g.createLinearGradient(0, Y(0), 0, Y(-45));
  ground.addColorStop(0, faded(colour.stage, 0.85));
  ground.addColorStop(1, faded(colour.stage, 0.1));
  g.fillStyle = ground;
  g.beginPath();
  [[-stage.edge, 0], [stage.edge, 0], [ledge, -2.5], [ledge * 0.94, -9], [ledge * 0.62, -30], [ledge * 0.3, -45], [-ledge * 0.3, -45], [-ledge * 0.62, -30], [-ledge * 0.94, -9], [-ledge, -2.5]]
    .forEach(([x, y], i) => (i ? g.lineTo(X(x), Y(y)) : g.moveTo(X(x), Y(y))));
  g.closePath();
  g.fill();
  g.strokeStyle = colour.stage;
  g.lineWidth = Math.max(1.5, 0.9 * s);
  g.lineCap = "round";
  g.beginPath();
  g.moveTo(X(-stage.edge), Y(0) + g.lineWidth / 2);
  g.lineTo(X(stage.edge), Y(0) + g.lineWidth / 2);
  g.stroke();
  const flat = (left, right, height) => {
    g.strokeStyle = colour.platform;
    g.lineWidth = Math.max(2, 1.3 * s);
    g.beginPath();
    g.moveTo(X(left) + g.lineWidth / 2, Y(height) + g.lineWidth / 2);
    g.lineTo(X(right) - g.lineWidth / 2, Y(height) + g.lineWidth / 2);
    g.stroke();
  };
  // What Stadium changes into has platforms of its own, which nobody has measured for us: its usual ones go pale.
  g.globalAlpha = stage.forms && !["normal", "unknown"].includes(stage.form_names[stage.forms[t]]) ? 0.25 : 1;
  stage.platforms.forEach(([height, left, right], i) => {
    flat(left, right, stage.heights && i < 2 ? stage.heights[t * 2 + i] / stage.heights.scale : height);
  });
  g.globalAlpha = 1;
  if (stage.randall) {
    const frames = stage.randall.length / 2, at = (((t + game.first_frame) % frames) + frames) % frames;
    const [left, height] = [stage.randall[at * 2], stage.randall[at * 2 + 1]].map((v) => v / stage.randall.scale);
    g.setLineDash([1, 2.4 * s]);
    flat(left, left + stage.randall_width, height);
    g.setLineDash([]);
  }
  g.lineWidth = 1;
}

function drawTrail({ g, X, Y }, fighter, t, shade) {
  g.lineWidth = 2;
  for (let u = Math.max(1, t - 26); u <= t; u++) {
    const [ax, ay] = place(fighter, u - 1), [bx, by] = place(fighter, u);
    if (Math.hypot(bx - ax, by - ay) > 25 || isDead(fighter.action[u]) || isDead(fighter.action[u - 1])) continue;
    g.strokeStyle = faded(shade, 0.5 * (1 - (t - u) / 26));
    g.beginPath();
    g.moveTo(X(ax), Y(ay + 6));
    g.lineTo(X(bx), Y(by + 6));
    g.stroke();
  }
  g.lineWidth = 1;
}

function drawItems({ g, X, Y, s }, game, t, shades) {
  const items = game.items;
  if (!items) return;
  for (let i = items.offset[t]; i < items.offset[t + 1]; i++) {
    const [x, y, r] = [X(items.x[i] / items.x.scale), Y(items.y[i] / items.y.scale), Math.max(3, 2 * s)];
    g.fillStyle = shades[items.owner[i]];
    g.beginPath();
    g.moveTo(x, y - r); g.lineTo(x + r, y); g.lineTo(x, y + r); g.lineTo(x - r, y);
    g.closePath();
    g.fill();
    g.strokeStyle = colour.card;
    g.stroke();
  }
}

function drawFighter(view, fighter, t, shade) {
  const action = fighter.action[t];
  if (isDead(action)) return;
  const [x, y] = place(fighter, t);
  drawFigure(view, x, y, fighter.facing[t], action, fighter.flags[t], fighter.shield[t] / fighter.shield.scale, shade, 1);
}

// Name and percent above each head, one above the other where they would overlap.
function drawNames({ g, X, Y, h }, all, t) {
  const labels = all.filter(({ fighter }) => !isDead(fighter.action[t])).map(({ fighter, shade }) => {
    const [x, y] = place(fighter, t);
    return { text: `${characterAt(fighter, t)} ${fighter.percent[t]}%`, x: X(x), y: clamp(Y(y + 20), 14, h - 8), shade };
  });
  if (labels.length === 2) {
    const [upper, lower] = labels[0].y <= labels[1].y ? labels : [labels[1], labels[0]];
    if (Math.abs(upper.x - lower.x) < 100 && lower.y - upper.y < 15) {
      upper.y = Math.max(lower.y - 15, 14);
      lower.y = upper.y + 15;
    }
  }
  g.font = "600 12px system-ui, sans-serif";
  g.textAlign = "center";
  g.lineWidth = 3;
  g.strokeStyle = colour.sky;
  for (const { text, x, y, shade } of labels) {
    g.strokeText(text, x, y);
    g.fillStyle = shade;
    g.fillText(text, x, y);
  }
  g.lineWidth = 1;
}

// Which way a move points: [x in the direction faced, y]; null for all around; undefined for no move at all.
const REACH = { 56: [0, 1], 63: [0, 1], 68: [0, 1], 57: [0.7, -0.7], 64: [0.8, -0.6], 69: [0, -1], 67: [-1, 0], 65: null };
function reachOf(action) {
  if (action in REACH) return REACH[action];
  if ((action >= 44 && action <= 69) || (action >= 212 && action <= 218)) return [1, 0];
  return undefined;
}

function drawFigure({ g, X, Y, s }, x, y, facing, action, flags, shield, shade, size) {
  const lying = (action >= 183 && action <= 185) || (action >= 191 && action <= 193);
  const low = (action >= 39 && action <= 43) || action === 24 || (action >= 70 && action <= 74);
  const tumbling = action === 38 || (action >= 87 && action <= 91);
  let [w, h] = lying ? [15, 6] : low ? [9, 10] : [8, 15.5];
  w *= s * size; h *= s * size;
  const cx = X(x), cy = Y(y) - h / 2;
  g.save();
  g.translate(cx, cy);
  if (tumbling) g.rotate(0.7 * (facing || 1));
  const reach = reachOf(action);
  if (reach !== undefined) {
    g.strokeStyle = faded(shade, 0.75);
    g.lineWidth = Math.max(2, 1.1 * s);
    g.lineCap = "round";
    g.beginPath();
    const angle = reach === null ? 0 : Math.atan2(-reach[1], reach[0] * (facing || 1));
    g.arc(0, 0, 10.5 * s * size, reach === null ? 0 : angle - 0.75, reach === null ? 6.3 : angle + 0.75);
    g.stroke();
  }
  g.fillStyle = shade;
  g.beginPath();
  g.roundRect(-w / 2, -h / 2, w, h, Math.min(w, h) / 2);
  g.fill();
  // A visor on the side faced.
  g.fillStyle = colour.sky;
  g.beginPath();
  const [vw, vh] = lying ? [0.18 * w, 0.5 * h] : [0.48 * w, 0.17 * h];
  g.roundRect((facing >= 0 ? 1 : -1) * w * 0.3 - vw / 2, lying ? -vh / 2 : -h * 0.3, vw, vh, Math.min(vw, vh) / 2);
  g.fill();
  if (flags & 2) outline(g, w + 5, h + 5, shade, [3, 3]);
  if (flags & 12) outline(g, w + 5, h + 5, colour.ink, []);
  if (action >= 341) {
    g.strokeStyle = faded(shade, 0.6);
    g.setLineDash([2, 4]);
    g.lineWidth = 2;
    g.beginPath();
    g.arc(0, 0, 10 * s, 0, 7);
    g.stroke();
  }
  g.restore();
  if (action >= 178 && action <= 182) {
    g.fillStyle = faded(shade, 0.28);
    g.strokeStyle = faded(shade, 0.8);
    g.beginPath();
    g.arc(cx, cy, (4.5 + (7 * shield) / 60) * s, 0, 7);
    g.fill();
    g.stroke();
  }
}
function outline(g, w, h, shade, dash) {
  g.setLineDash(dash);
  g.strokeStyle = shade;
  g.lineWidth = 1.5;
  g.beginPath();
  g.roundRect(-w / 2, -h / 2, w, h, Math.min(w, h) / 2);
  g.stroke();
  g.setLineDash([]);
}
