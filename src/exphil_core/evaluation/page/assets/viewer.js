// The chosen game: stage, pad, strips, and what moves through it: buttons, mouse, keys.
const PARTS = ["buttons", "main", "C-stick", "shoulder"];
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];

function clock(game, t) {
  const seconds = (t + game.first_frame) / game.fps, whole = Math.abs(seconds);
  return `${seconds < 0 ? "−" : ""}${Math.floor(whole / 60)}:${(whole % 60).toFixed(2).padStart(5, "0")}`;
}

// Frames that the model expected least, no two within a quarter of a second.
function surprises(game) {
  const scored = [];
  for (let t = 0; t < game.frames; t++) if (game.model.example[t] && isPredicted(game, t)) scored.push(game.total[t]);
  scored.sort((a, b) => a - b);
  const enough = scored[Math.floor(scored.length * 0.97)] || 0, found = [];
  for (let t = 0; t < game.frames; t++) {
    if (!game.model.example[t] || !(game.total[t] >= enough) || game.total[t] === 0) continue;
    const last = found[found.length - 1];
    if (last !== undefined && t - last < 15) { if (game.total[t] > game.total[last]) found[found.length - 1] = t; }
    else found.push(t);
  }
  return found;
}

function viewer(view) {
  const game = decodedGame(view);
  const state = { t: 0, playing: false, speed: 1 };
  const peaks = surprises(game);
  const stage = canvas("stage", "the stage with both players", stageDrawing(game, state));
  const pad = canvas("pad", "the player's controller over the model's chances", padDrawing(game, state));
  const roll = canvas("roll", "the seconds around this frame: the player's inputs over the model's chances", rollDrawing(game, state));
  const overview = canvas("overview", "the whole game: percent of both players, stocks lost, and how surprising the player was", overviewDrawing(game, state));
  const slider = el("input", { type: "range", id: "frame", min: "0", max: String(game.frames - 1), step: "1", value: "0", "aria-label": "frame" });
  const at = el("span", { class: "at" });
  const play = el("button", { class: "main", type: "button", onclick: () => toggle() }, "Play");
  const players = game.fighters.map((fighter, i) => playerCard(game, fighter, i));
  const chances = chanceBars();

  function go(t) {
    state.t = clamp(Math.round(t), 0, game.frames - 1);
    slider.value = String(state.t);
    const when = `${clock(game, state.t)}, frame ${state.t + game.first_frame}`;
    slider.setAttribute("aria-valuetext", when);
    at.textContent = `${when} of ${game.frames - 1 + game.first_frame}`;
    players.forEach((card) => card.update(state.t));
    chances.update(game, state.t);
    for (const drawing of [stage, pad, roll, overview]) drawing.redraw();
  }
  let before = 0, owed = 0;
  function tick(now) {
    if (!state.playing) return;
    owed += (Math.min(now - before, 100) / 1000) * game.fps * state.speed;
    before = now;
    const steps = Math.floor(owed);
    owed -= steps;
    if (steps) go(state.t + steps);
    if (state.t >= game.frames - 1) toggle(false);
    else requestAnimationFrame(tick);
  }
  function toggle(wanted = !state.playing) {
    if (wanted && state.t >= game.frames - 1) go(0);
    state.playing = wanted;
    play.textContent = wanted ? "Pause" : "Play";
    if (wanted) { before = performance.now(); owed = 0; requestAnimationFrame(tick); }
  }
  const stop = (t) => { toggle(false); go(t); };
  const next = () => stop(peaks.find((t) => t > state.t) ?? state.t);
  const previous = () => stop(peaks.filter((t) => t < state.t).pop() ?? state.t);

  slider.addEventListener("input", () => stop(Number(slider.value)));
  dragged(overview.node, (event, box) => stop(((event.clientX - box.left) / box.width) * (game.frames - 1)));
  panned(roll.node, state, stop, (box) => (box.width - GUTTER) / (2 * rollReach(box.width) + 1), true);
  panned(stage.node, state, stop, () => 2, false);

  const speed = el("select", { "aria-label": "speed", onchange: (event) => { state.speed = Number(event.target.value); } },
    ...SPEEDS.map((value) => el("option", value === 1 ? { value, selected: "" } : { value }, `${value}×`)));
  const button = (text, label, act) => el("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const node = el("section", { class: "viewer", "aria-label": "timeline" },
    el("div", { class: "card" }, stage.node, slider,
      el("div", { class: "transport" }, play,
        button("◀", "one frame back", () => stop(state.t - 1)), button("▶", "one frame on", () => stop(state.t + 1)),
        button("« surprise", "previous surprise", previous), button("surprise »", "next surprise", next), speed, at),
      el("div", { class: "players" }, ...players.map((card) => card.node))),
    el("div", { class: "card" }, el("h3", {}, "This frame"), pad.node, chances.node,
      el("div", { class: "keys" }, ...[["K", "play"], ["← →", "a frame"], ["Shift ← →", "10 frames"], ["PgUp PgDn", "a second"], ["N P", "surprises"], [", .", "speed"]]
        .map(([key, does]) => el("span", {}, el("kbd", {}, key), " " + does)))),
    el("div", { class: "card wide" },
      el("div", { class: "legend" }, el("span", { class: "of-human" }, "the player"), el("span", { class: "of-model" }, "what the model expected"), el("span", { class: "of-foe" }, "the opponent")),
      overview.node, el("p", { class: "note under" }, "The whole game: percent of both, a dot for each stock lost; below, the model's surprise."),
      roll.node, el("p", { class: "note under" }, "The seconds around this frame, part by part: the stronger the blue, the likelier. Drag any of these, click, or use the keys.")));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target, within = node.contains(target);
    if (target.tagName === "SELECT" || (target.closest && target.closest(".scroll"))) return;
    const step = event.shiftKey ? 10 : 1, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const speedBy = (by) => { speed.selectedIndex = clamp(speed.selectedIndex + by, 0, SPEEDS.length - 1); state.speed = SPEEDS[speed.selectedIndex]; };
    const anywhere = { ArrowLeft: () => stop(state.t - step), ArrowRight: () => stop(state.t + step), k: () => toggle(), n: next, p: previous, ",": () => speedBy(-1), ".": () => speedBy(1) };
    const inside = { Home: () => stop(0), End: () => stop(game.frames - 1), PageUp: () => stop(state.t - game.fps), PageDown: () => stop(state.t + game.fps), " ": target.tagName === "BUTTON" ? null : () => toggle() };
    const act = anywhere[key] || (within && inside[key]);
    if (!act) return;
    event.preventDefault();
    act();
  });
  return { node, start: () => go(firstMoment(game)), game };
}

// Where something goes on already: the first frames are the players' entry.
const firstMoment = (game) => clamp(Math.max(game.model.example.indexOf(1), 0) + 240, 0, Math.floor(game.frames / 2));

function dragged(node, act) {
  const follow = (event) => act(event, node.getBoundingClientRect());
  node.addEventListener("pointerdown", (event) => { node.setPointerCapture(event.pointerId); follow(event); });
  node.addEventListener("pointermove", (event) => { if (node.hasPointerCapture(event.pointerId)) follow(event); });
}

// Dragging moves the film; a click goes to the frame clicked, where there is one to click.
function panned(node, state, stop, pixels, clickable) {
  let from = null;
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    from = { x: event.clientX, t: state.t, moved: false };
  });
  node.addEventListener("pointermove", (event) => {
    if (!from || !node.hasPointerCapture(event.pointerId)) return;
    const by = event.clientX - from.x;
    if (Math.abs(by) > 3) from.moved = true;
    if (from.moved) stop(from.t - by / pixels(node.getBoundingClientRect()));
  });
  node.addEventListener("pointerup", (event) => {
    const box = node.getBoundingClientRect();
    if (from && !from.moved && clickable)
      stop(state.t - rollReach(box.width) + Math.floor((event.clientX - box.left - GUTTER) / pixels(box)));
    from = null;
  });
}

function playerCard(game, fighter, index) {
  const imitated = index === game.fighter;
  const who = el("div", { class: "who" }), percentText = el("div", { class: "percent" }), rest = el("div", { class: "rest" });
  const most = fighter.stocks.reduce((a, b) => Math.max(a, b), 0);
  const tag = fighter.tag || fighter.code;
  const node = el("div", { class: `player ${imitated ? "human" : "foe"}` }, who, percentText, rest,
    el("div", { class: "rest" }, `${tag ? tag + ", " : ""}port ${fighter.port}${imitated ? ", the player imitated" : ""}`));
  return { node, update(t) {
    who.textContent = characterAt(fighter, t);
    percentText.textContent = `${fighter.percent[t]} %`;
    const stocks = fighter.stocks[t];
    rest.textContent = `${"●".repeat(Math.min(stocks, 9))}${"○".repeat(Math.max(Math.min(most, 9) - stocks, 0))} ${actionName(game, fighter.action[t])}`;
  } };
}

// How likely the model thought what the player did, part by part.
function chanceBars() {
  const rows = [...PARTS, "all of it"].map((name) => {
    const fill = el("i"), value = el("span");
    return { fill, value, cells: [el("span", { class: name === "all of it" ? "big" : "" }, name), el("span", { class: "bar" }, fill), value] };
  });
  const note = el("p", { class: "note under" }), did = el("p", { class: "note under human" }), expected = el("p", { class: "note under model" });
  const node = el("div", {}, el("p", { class: "note" }, "How likely the model thought what the player did:"), el("div", { class: "chances" }, ...rows.flatMap((row) => row.cells)), note, did, expected);
  return { node, update(game, t) {
    const known = isPredicted(game, t), nats = game.model.nats;
    rows.forEach((row, i) => {
      const each = i < 4 ? nats[t * 4 + i] / nats.scale : game.total[t];
      const chance = known ? Math.exp(-each) : 0;
      row.fill.style.transform = `scaleX(${chance})`;
      row.value.textContent = known ? percent(chance) : "–";
    });
    did.textContent = `Player: ${inWords(game, t)}`;
    expected.textContent = known ? `Model: ${expectedInWords(game, t)}` : "";
    note.textContent = known ? `${game.total[t].toFixed(2)} nats${game.model.example[t] ? "" : ", not counted (no inputs yet, or idle)"}` : "not predicted";
  } };
}

const position = ([x, y]) => (x || y ? `${signed(x, 2)}, ${signed(y, 2)}` : "centre");
function inWords(game, t) {
  const held = game.buttons.filter((button) => isHeld(game, t, button)), shoulder = shoulderAt(game, t);
  return `main ${position(stickAt(game, t, "main"))}; C ${position(stickAt(game, t, "c"))}; ${held.length ? "holds " + held.join(" ") : "no button"}${shoulder ? `; shoulder ${percent(shoulder, 0)}` : ""}`;
}
function expectedInWords(game, t) {
  const sticks = [["main", "main"], ["c", "C"]].map(([stick, name]) => {
    const [best] = likeliest(game, t, stick);
    return best ? `${name} ${position(best)} ${percent(best[2], 0)}` : `${name} anywhere`;
  });
  const buttons = game.buttons.map((button) => [button, pressChance(game, t, button)]).filter(([, p]) => p >= 0.02).sort((a, b) => b[1] - a[1]).slice(0, 3);
  return `${sticks.join("; ")}; ${buttons.length ? buttons.map(([button, p]) => `${button} ${percent(p, 0)}`).join(", ") : "no button"}`;
}
