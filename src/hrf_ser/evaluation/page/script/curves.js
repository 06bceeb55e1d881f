// Learning curves of one family: UA on the validation speakers, where there are any, with its band, and the training loss.

function curves(view) {
  const shown = families(view.configurations)
    .map((family) => ({ ...family, members: family.members.filter((c) => c.history?.epoch?.length) }))
    .filter(({ members }) => members.length);
  if (!shown.length) return null;
  const place = element("div");
  const show = (name) => place.replaceChildren(curvesOf(shown.find((entry) => entry.family === name)));
  show(shown[0].family);
  const choice = shown.map(({ family, name }) => ({ value: family, text: name }));
  return section(
    "curves",
    "Learning curves",
    view.protocol,
    shown.length > 1 ? segmented("Model", choice, shown[0].family, show) : null,
    place,
    note("Means over folds and seeds; the band spans the runs."),
  );
}

function curvesOf({ name, members }) {
  // Five bands on each other say nothing: one HRF configuration stands for all until another is ticked.
  const typical = typicalHrf(members);
  const chosen = new Set(members.filter((c) => !c.hrf || c === typical));
  const place = element("div", { class: "pair" });
  const show = () => {
    const visible = members.filter((c) => chosen.has(c));
    const loss = curve(name, visible, members, "train/loss", "Training loss");
    // Protocol `last_epoch` has no validation speakers.
    const validated = members.some((c) => curvePoints(c, "val/ua").length);
    place.replaceChildren(...(validated ? [curve(name, visible, members, "val/ua", "UA on validation speakers")] : []), loss);
  };
  const ticks = members.map((c) => {
    const change = (event) => {
      if (event.target.checked) chosen.add(c);
      else chosen.delete(c);
      show();
    };
    const box = element("input", { type: "checkbox", checked: chosen.has(c), change });
    return element("label", {}, box, swatch(groupOf(c)), memberName(c));
  });
  show();
  return element("div", {}, element("fieldset", { class: "ticks" }, element("legend", {}, "Configurations"), ticks), place);
}

function curvePoints(configuration, column) {
  const history = configuration.history;
  return history.epoch
    .map((epoch, index) => ({
      c: configuration,
      epoch: known(epoch) ? epoch + 1 : null,
      value: history[column]?.[index],
      low: history[`${column}_low`]?.[index],
      high: history[`${column}_high`]?.[index],
    }))
    .filter((point) => known(point.epoch) && known(point.value));
}

function curve(name, visible, members, column, title) {
  const series = visible.map((c) => curvePoints(c, column)).filter((points) => points.length);
  // The axis is that of all members, so that ticking one does not move the others.
  const all = members.flatMap((c) => curvePoints(c, column));
  const numbers = plainTable(`${title}, ${name}`, [
    { title: "Configuration", text: (points) => points[0].c.label },
    { title: "Epochs", text: (points) => whole(points.length), number: true },
    { title: "First", text: (points) => score(points[0].value), number: true },
    { title: "Best", text: (points) => score((column === "val/ua" ? d3.max : d3.min)(points, (p) => p.value)), number: true },
    { title: "Last", text: (points) => score(points[points.length - 1].value), number: true },
  ], series);
  const description = series.map((points) => `${memberName(points[0].c)} ends at ${score(points[points.length - 1].value)}`).join("; ");
  const draw = (width) => curvePlot(width, series, all, title, column);
  return element("div", {}, element("h3", {}, title), figure("curve", `${title}, ${name}`, description, draw, numbers));
}

const DASHES = ["none", "6 3", "2 3", "8 3 2 3"];

function curvePlot(width, series, all, title, column) {
  const height = 270;
  const range = column === "val/ua" ? scoreRange(all.flatMap((p) => [p.value, p.low, p.high]), null) : [0, (d3.max(all, (p) => p.value) ?? 1) * 1.05];
  const epochs = d3.extent(all, (p) => p.epoch);
  if (epochs[0] === epochs[1]) epochs[1] = (epochs[0] ?? 0) + 1;
  // Labels at the ends of the lines, lifted where they would meet.
  const y = d3.scaleLinear(range, [height - 48, 12]);
  const ends = d3.sort(series.map((points) => ({ points, end: points[points.length - 1] })), ({ end }) => -y(end.value));
  const boxes = spread(ends.map(({ points, end }) => ({ points, end, x: 0, width: 1, y: y(end.value) })));
  const ranked = series.filter((points) => points[0].c.hrf);
  return Plot.plot({
    width,
    height,
    marginLeft: 44,
    marginRight: 66,
    marginTop: 12,
    marginBottom: 48,
    style: STYLE,
    x: { domain: epochs, label: "Epoch", ...AXIS, ticks: 6, tickFormat: "d" },
    y: { domain: range, label: null, grid: true, ticks: 5 },
    color: { type: "identity" },
    marks: [
      series.map((points) => {
        const band = points.filter((p) => known(p.low) && known(p.high));
        return band.length ? Plot.areaY(band, { x: "epoch", y1: "low", y2: "high", fill: GROUPS[groupOf(points[0].c)].colour, fillOpacity: 0.13, className: "band" }) : [];
      }),
      series.map((points) => {
        const dash = points[0].c.hrf ? DASHES[ranked.indexOf(points) % DASHES.length] : "none";
        return Plot.line(points, { x: "epoch", y: "value", stroke: GROUPS[groupOf(points[0].c)].colour, strokeWidth: 2, strokeDasharray: dash, className: "curve" });
      }),
      boxes.map(({ points, end, y: pixel }) =>
        Plot.text([memberName(points[0].c)], { x: end.epoch, y: y.invert(pixel), dx: 6, textAnchor: "start", fill: `var(--${groupOf(points[0].c)}-text)` }),
      ),
      tip(series.flat(), { x: "epoch", y: "value", title: (p) => `${p.c.label}\nepoch ${p.epoch}: ${score(p.value)}` }),
    ],
  });
}
