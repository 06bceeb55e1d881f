// Does a higher rank help? One small picture a family: the light model without HRF, then rank by rank, and the large variant as a line.

function rankCurve(view) {
  const shown = families(view.configurations).filter(({ members }) => rankRows(members).length);
  if (!shown.length) return null;
  const chance = chanceOf(view.configurations);
  const all = shown.flatMap(({ members }) => members.flatMap((c) => [c.scores?.ua?.mean, c.scores?.ua?.low, c.scores?.ua?.high]));
  const range = scoreRange(all, chance);
  const ranks = d3.sort(new Set(shown.flatMap(({ members }) => rankRows(members).map((row) => row.rank))));
  const pictures = shown.map(({ name, members }) => {
    const rows = rankRows(members);
    const large = members.find((c) => groupOf(c) === "large");
    const numbers = plainTable(`UA by rank, ${name}`, [
      { title: "Configuration", text: (c) => c.label },
      { title: "UA", text: (c) => score(c.scores?.ua?.mean), number: true },
      { title: "95 % interval", text: (c) => interval(c.scores?.ua?.low, c.scores?.ua?.high), number: true },
    ], large ? [...rows.map((row) => row.c), large] : rows.map((row) => row.c));
    const description = rows.map((row) => `${memberName(row.c)}: ${score(row.ua)}`).join("; ") + (large ? `; large: ${score(large.scores?.ua?.mean)}` : "");
    const draw = (width) => rankPlot(width, rows, large, ranks, chance, range);
    return element("div", {}, element("h3", {}, name), figure("rank", `${splitUA()} by rank, ${name}`, description, draw, numbers));
  });
  return section(
    "rank",
    "Rank",
    view.protocol,
    note(`The inner dimension is rank × output dimension; all of these deploy the same small model.${chanceNote(chance, range)}`),
    legend(view.configurations.filter((c) => c.size !== "added")),
    element("div", { class: "multiples" }, pictures),
  );
}

// Rank 0 stands for the light model without HRF.
function rankRows(members) {
  return d3.sort(
    members
      .filter((c) => ["light", "hrf"].includes(groupOf(c)) && (!c.hrf || known(c.rank)) && known(c.scores?.ua?.mean))
      .map((c) => ({ c, group: groupOf(c), rank: c.hrf ? c.rank : 0, ua: c.scores.ua.mean, low: c.scores.ua.low, high: c.scores.ua.high })),
    (row) => row.rank,
  );
}

function rankPlot(width, rows, large, ranks, chance, range) {
  const ua = large?.scores?.ua ?? {};
  const lines = known(ua.mean)
    ? [
        known(ua.low) && known(ua.high) ? Plot.rect([ua], { y1: "low", y2: "high", fill: "var(--large)", fillOpacity: 0.13 }) : [],
        Plot.ruleY([ua.mean], { stroke: "var(--large)", strokeWidth: 2, className: "large-line" }),
        Plot.text([`large ${score(ua.mean)}`], {
          y: ua.mean, frameAnchor: "right", textAnchor: "end", dy: -8, fill: "var(--ink)", stroke: "var(--surface)", strokeWidth: 3,
        }),
      ]
    : [];
  return Plot.plot({
    width,
    height: 230,
    marginLeft: 44,
    marginRight: 10,
    marginTop: 26,
    marginBottom: 48,
    style: STYLE,
    x: { type: "point", domain: ranks, label: "HRF rank", ...AXIS, tickFormat: (rank) => (rank === 0 ? "no HRF" : `×${rank}`), padding: 0.5 },
    y: { domain: range, label: splitUA(), labelArrow: "none", grid: true, ticks: 5 },
    color: { type: "identity" },
    marks: [
      chanceLine(chance, range),
      lines,
      Plot.line(rows, { x: "rank", y: "ua", stroke: "var(--hrf)", strokeWidth: 1.5, className: "rank-line" }),
      Plot.ruleX(rows.filter((row) => known(row.low) && known(row.high)), {
        x: "rank", y1: "low", y2: "high", stroke: (row) => GROUPS[row.group].colour, strokeOpacity: 0.6, strokeWidth: 1.5,
      }),
      dots(rows, { x: "rank", y: "ua" }),
      tip(rows, { x: "rank", y: "ua", title: (row) => `${row.c.label}\nUA ${score(row.ua)} (${interval(row.low, row.high)})` }),
    ],
  });
}
