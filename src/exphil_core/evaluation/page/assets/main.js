// Builds the page out of the data in it.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  refreshColours();
  const { report, view, history } = data;
  const shown = view && viewer(view);
  page.append(...heading(report));
  if (shown) page.append(
    el("h2", {}, "A game, frame by frame"),
    el("p", { class: "note" }, `${view.file}: ${number(view.loss)} nats a frame on the ${count(view.examples)} frames that count. Orange is what the player did, blue what the model expected of that frame${view.delay ? ` ${view.delay} frames before` : ""}; a stick's chances are given the player's buttons.`),
    shown.node);
  page.append(...curvesSection(history), ...lossSection(report), ...stickSection(report), ...buttonSection(report),
    ...calibrationSection(report), ...breakdownSection(report), ...gameSection(report, view),
    el("footer", {}, `Intervals: ${count(report.bootstrap.samples)} bootstrap samples of games. This page holds everything that it shows and loads nothing.`));
  for (const drawing of drawings) drawing.measure();
  watchSizes();
  if (shown) shown.start();
  document.documentElement.dataset.ready = "yes";
})();
