// The rest of the page: what the evaluation found, in sections.
const BASE = "repeating the last controller";
const PART_TITLES = { buttons: "buttons", main: "main stick", c: "C-stick", shoulder: "shoulder", main_x: "main stick x", main_y: "main stick y", c_x: "C-stick x", c_y: "C-stick y" };
const of = (estimate, label, shade, kind) => ({ estimate, label, colour: shade, kind });

function heading(report) {
  const { model, data } = report;
  const learned = model.character ? `plays ${model.character}` : "plays any character";
  const facts = [model.backbone, model.hidden_sizes.join("×"), `${count(model.parameters)} weights`, learned, model.delay ? `reacts after ${model.delay} frames` : "no reaction delay", `${model.epochs} epochs`, ...model.features];
  const seen = data.trained_on === null ? "whether it was trained on any of them is not known" : data.trained_on ? `${data.trained_on} of them it was trained on` : "none of which it was trained on";
  return [
    el("h1", {}, model.id),
    el("p", { class: "lead" }, facts.join(", ")),
    el("p", { class: "lead" }, `Judged on ${count(data.frames)} frames of ${count(data.sides)} sides of ${count(data.games)} games, ${seen}. ${report.created_at.slice(0, 10)}, ExPhil ${report.exphil_core}.`),
    ...report.warnings.map((line) => el("p", { class: "warn" }, line)),
    tiles(report),
  ];
}

function tiles(report) {
  const { model, repeat } = report.losses;
  const tile = (name, value, more) => el("div", { class: "card tile" }, el("div", { class: "name" }, name), el("div", { class: "value" }, value), el("div", { class: "more" }, more));
  const range = (estimate) => (estimate.low === null ? "" : `${number(estimate.low)} to ${number(estimate.high)}`);
  const better = (mine, base) => (mine.value === null || !base.value ? "" : `repeating: ${number(base.value)}`);
  return el("div", { class: "tiles" },
    tile("val_loss, nats a frame", number(model.all.value), range(model.all)),
    tile("against repeating", signed(report.gain.all.value), range(report.gain.all).replaceAll("-", "−") || better(model.all, repeat.all)),
    tile("loss on changes", number(model.change.value), better(model.change, repeat.change)),
    tile("controller exactly right", percent(report.controller.greedy.value), `on changes: ${percent(report.controller.greedy_change.value)}`),
    tile("changes its controller", percent(report.controller.model_changes.value), `players: ${percent(report.controller.human_changes.value)} of frames`));
}

function curvesSection(history) {
  if (!history.length) return [];
  const line = (metric, name, shade, dashed) => ({ name, colour: shade, dashed, points: history.map((epoch) => [epoch.epoch, epoch[metric]]).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)) });
  const panel = (title, lines) => {
    const drawn = lines.filter((each) => each.points.length);
    return drawn.length ? curves(title, drawn, "nats a frame") : null;
  };
  return [el("h2", {}, "How it learned"), el("div", { class: "grid" }, ...[
    panel("Loss, nats a frame", [line("train_loss", "training", "var(--foe)"), line("val_loss", "held out", "var(--model)"), line("baseline_repeat", "repeating", "var(--base)", true), line("baseline_marginal", "frequencies", "var(--base)", true)]),
    panel("Loss where the controller changes", [line("val_loss_change", "held out", "var(--model)"), line("baseline_repeat_change", "repeating", "var(--base)", true), line("baseline_marginal_change", "frequencies", "var(--base)", true)]),
  ].filter(Boolean))];
}

function lossSection(report) {
  const parts = (which) => Object.keys(report.losses.model[which]).map((part) => ({ name: PART_TITLES[part], marks: [
    of(report.losses.model[which][part], "model", "var(--model)", "bar"), of(report.losses.repeat[which][part], BASE, "var(--base)", "tick")] }));
  const accuracy = (mine, base) => Object.entries(report.accuracy).map(([part, each]) => ({ name: PART_TITLES[part], marks: [
    of(each[mine], "the likeliest", "var(--model)", "dot"), ...(base ? [of(each[base], base === "repeat" ? BASE : "one of the three likeliest", "var(--base)", "tick")] : [])] }));
  return [
    el("h2", {}, "What it knows and what it doesn't"),
    el("p", { class: "note" }, `Nats a frame: 0 would be certainty of what the player did, the less the better. Whiskers cover ${percent(report.bootstrap.level)} of draws of other games.`),
    el("div", { class: "legend" }, el("span", { class: "of-model" }, "model"), el("span", { class: "of-base" }, BASE)),
    el("div", { class: "grid" }, dots("Loss by part, all frames", parts("parts"), { left: 84 }), dots("Loss by part, where the controller changes", parts("parts_change"), { left: 84 })),
    el("div", { class: "row" }),
    el("div", { class: "grid" },
      dots("How often its likeliest value is right, all frames", accuracy("accuracy", "repeat"), { left: 96, show: percent, tick: percent }),
      dots("… and where this very part changes (mark: among its top three)", accuracy("accuracy_change", "top3_change"), { left: 96, show: percent, tick: percent })),
  ];
}

function stickSection(report) {
  const cards = Object.entries(report.sticks).map(([stick, each]) => {
    const name = PART_TITLES[stick];
    const read = el("div", { class: "read" }, "Move the mouse over a map to read it.");
    const onRead = (text) => { read.textContent = text; };
    const panel = (title, kind, className) => el("div", {}, el("h3", className ? { class: className } : {}, title), heat(name, each.heat, kind, onRead));
    const errors = Object.entries({ greedy: "its likeliest", drawn: "drawn at random", repeat: "repeating" }).filter(([key]) => each.errors[key])
      .map(([key, title]) => [title, ...["degrees", "magnitude", "missed", "strays"].map((what) => what === "degrees" ? number(each.errors[key].all[what].value, 1) : what === "magnitude" ? number(each.errors[key].all[what].value, 3) : percent(each.errors[key].all[what].value)),
        number(each.errors[key].change.degrees.value, 1)]);
    return el("div", { class: "card" }, el("h3", {}, name[0].toUpperCase() + name.slice(1)),
      el("div", { class: "grid three" }, panel("Players", "human", "human"), panel("Model", "model", "model"), panel("Model against players", "ratio")),
      read, figures(["", "degrees off", "length off", "misses", "strays", "degrees off where it moves"], errors, "How far off it is"));
  });
  return [el("h2", {}, "Where the sticks go"),
    el("p", { class: "note" }, "Shares of frames, on a logarithmic scale. The third map is blue where the model goes more often than the players, orange where less often (full colour: eight times)."),
    ...cards.flatMap((card, i) => (i ? [el("div", { class: "row" }), card] : [card]))];
}

function buttonSection(report) {
  const rateRow = (names) => names.filter((name) => report.rates[name] && (report.rates[name].human.value || report.rates[name].model.value > 1e-4)).map((name) => ({ name, marks: [
    of(report.rates[name].human, "players", "var(--human)", "bar"), of(report.rates[name].model, "model", "var(--model)", "bar")] }));
  const buttons = Object.keys(report.buttons), sticks = Object.keys(report.rates).filter((name) => !buttons.includes(name));
  const edges = Object.entries(report.buttons).filter(([, each]) => each.human_presses).map(([name, each]) => [name, count(each.human_presses), number(each.human_per_minute.value, 1), number(each.model_per_minute.value, 1),
    percent(each.precision.value), percent(each.recall.value), number(each.f1.value, 2), number(each.best_f1.value, 2)]);
  const options = { left: 84, spread: 12, tall: 34, show: percent, tick: percent };
  return [el("h2", {}, "What it presses"),
    el("p", { class: "note" }, "Shares of frames on which each is held: by the players, and by the model's chances on average."),
    el("div", { class: "legend" }, el("span", { class: "of-human" }, "players"), el("span", { class: "of-model" }, "model")),
    el("div", { class: "grid" }, ...[["Buttons", buttons], ["Sticks and shoulder", sticks]].map(([title, names]) => [title, rateRow(names)]).filter(([, rows]) => rows.length).map(([title, rows]) => dots(title, rows, options))),
    el("div", { class: "row" }),
    el("div", { class: "card" }, el("h3", {}, "Presses, to the frame"),
      el("p", { class: "note" }, "A press that the model expects a frame early or late counts as wrong here, so these are for comparing models."),
      table(["", "presses", "a minute", "model, a minute", "precision", "recall", "F1", "F1, best threshold"], edges))];
}

function calibrationSection(report) {
  const small = (entries, titles) => el("div", { class: "grid small" }, ...entries.filter(([, each]) => each.bins.some((bin) => bin.frames >= ENOUGH_FRAMES)).map(([name, each]) => reliability(titles(name), each)));
  const pressed = Object.entries(report.press_calibration).filter(([name]) => report.buttons[name] && report.buttons[name].human_presses);
  return [el("h2", {}, "Whether its chances are what they say"),
    el("p", { class: "note" }, "Of all frames on which it was so sure, on how many was it right? On the dashed line, a chance of 30 % comes true in 30 %. Above it the model is too modest, below too sure. Larger dots hold more frames; below 30 there is none."),
    el("h3", {}, "Its likeliest value"), small(Object.entries(report.calibration), (name) => PART_TITLES[name] || name),
    ...(pressed.length ? [el("div", { class: "row" }), el("h3", {}, "A button goes down"), small(pressed, (name) => name)] : [])];
}

const MEASURES = {
  loss: ["loss, nats a frame", (group) => [of(group.loss, "model", "var(--model)", "dot"), of(group.repeat, BASE, "var(--base)", "tick")], number],
  loss_change: ["loss where the controller changes", (group) => [of(group.loss_change, "model", "var(--model)", "dot")], number],
  gain: ["loss against repeating (left of 0: better)", (group) => [of(group.gain, "model less repeating", "var(--model)", "dot")], signed],
  buttons_accuracy: ["likeliest buttons are right", (group) => [of(group.buttons_accuracy, "model", "var(--model)", "dot")], percent],
  main_accuracy: ["likeliest main stick is right", (group) => [of(group.main_accuracy, "model", "var(--model)", "dot")], percent],
};
const DIMENSIONS = { situation: "By situation", character: "By its character", opponent: "By opponent", stage: "By stage" };

function breakdownSection(report) {
  const dimensions = Object.keys(report.breakdown).filter((name) => report.breakdown[name].length);
  if (!dimensions.length) return [];
  const order = Object.keys(DIMENSIONS);
  dimensions.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const holder = el("div", { class: "grid wide" });
  function fill(measure) {
    const [, marks, show] = MEASURES[measure];
    const tick = show === percent ? (value) => percent(value, 0) : undefined;
    holder.replaceChildren(...dimensions.map((name) => dots(DIMENSIONS[name] || name, report.breakdown[name].map((group) => ({
      name: group.title, more: `${count(group.frames)} fr., ${group.games} g.`, marks: marks(group) })), { show, tick, tall: 36, left: 128, low: measure === "loss" ? 0 : undefined })));
  }
  const select = el("select", { id: "measure", onchange: (event) => fill(event.target.value) }, ...Object.entries(MEASURES).map(([name, [title]]) => el("option", { value: name }, title)));
  fill("loss");
  return [el("h2", {}, "Where it is good and where not"),
    el("p", { class: "note" }, "Groups of frames, those with the most first (fr.: frames, g.: games). Pale lines are the intervals, grey marks the same for a model that only repeats the last controller."),
    el("div", { class: "row" }, el("label", { for: "measure" }, "Show"), select), holder];
}

const MOST_GAMES = 60;
function gameSection(report, view) {
  const games = report.games, shown = games.slice(0, MOST_GAMES);
  const rows = shown.map((game, i) => {
    const row = [String(i + 1), game.file, game.players.join(" – "), game.stage, count(game.frames), number(game.loss), number(game.loss_change), number(game.repeat)];
    row.shown = view !== null && game.game === view.game;  // files of several folders may be called alike
    return row;
  });
  const more = games.length > shown.length ? ` The worst ${MOST_GAMES} of ${count(games.length)} are listed.` : "";
  return [el("h2", {}, "Game by game"), el("p", { class: "note" }, `The worst first; --game N or a part of the name shows another one above.${more}`),
    el("div", { class: "card" }, table(["", "game", "players", "stage", "frames", "loss", "on changes", "repeating"], rows, [0, 1, 2, 3]))];
}
