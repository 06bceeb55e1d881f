// Light, light + HRF, large, other systems: told apart by shape and by colour, the same in every picture.

const GROUPS = {
  light: { name: "light", symbol: "circle", colour: "var(--light)", size: 1 },
  hrf: { name: "light + HRF", symbol: "diamond", colour: "var(--hrf)", size: 1.2 },
  large: { name: "large", symbol: "square", colour: "var(--large)", size: 0.9 },
  added: { name: "other system", symbol: "triangle", colour: "var(--added)", size: 1.1 },
};

// The split whose scores these are.
function splitUA({ capital = true } = {}) {
  const name = report.split === "validation" ? "validation UA" : "test UA";
  return capital ? name[0].toUpperCase() + name.slice(1) : name;
}

function groupOf(configuration) {
  if (configuration.size === "large" || configuration.size === "added") return configuration.size;
  return configuration.hrf ? "hrf" : "light";
}

function rankText(configuration) {
  return configuration.hrf && known(configuration.rank) ? `×${configuration.rank}` : "";
}

// Short name inside one family: "light", "HRF ×4", "large"; a large model with HRF says both.
function memberName(configuration) {
  if (configuration.size === "added") return configuration.label;
  const hrf = configuration.hrf ? `HRF ${rankText(configuration)}`.trim() : "";
  if (configuration.size === "large") return hrf ? `large, ${hrf}` : "large";
  return hrf || "light";
}

// "Conformer" of "Conformer, HRF x4" and "Conformer large", where all labels of the family agree; otherwise its own name.
function familyName(family, configurations) {
  const members = configurations.filter((c) => c.family === family);
  if (members.some((c) => c.size === "added")) return family;
  const names = new Set(members.map((c) => c.label.split(",")[0].replace(/ large$/, "")));
  return names.size === 1 ? [...names][0] : family;
}

// Runs under other settings are a family of their own: only what differs in size and HRF alone belongs together.
function familyKey(configuration) {
  return configuration.variant ? `${configuration.family}, ${configuration.variant}` : configuration.family;
}

// Members of a family in the order light, HRF by rank, large.
function inOrder(configurations) {
  const place = { light: 0, hrf: 1, large: 2, added: 3 };
  return [...configurations].sort(
    (a, b) => place[groupOf(a)] - place[groupOf(b)] || Number(a.hrf) - Number(b.hrf) || (a.rank ?? 0) - (b.rank ?? 0),
  );
}

// The HRF configuration of the middle rank, where one has to stand for all.
function typicalHrf(members) {
  const factorised = members.filter((c) => c.hrf);
  return factorised[Math.floor((factorised.length - 1) / 2)];
}

function families(configurations) {
  return [...d3.group(configurations, familyKey)].map(([family, members]) => {
    const [{ family: model, variant }] = members;
    const name = familyName(model, configurations);
    return { family, name: variant ? `${name}, ${variant}` : name, members: inOrder(members) };
  });
}

// Dots of several groups as one mark a group, because a symbol has one colour.
function dots(rows, options) {
  return Object.entries(GROUPS).map(([group, look]) =>
    Plot.dot(
      rows.filter((row) => row.group === group),
      {
        symbol: look.symbol,
        r: 5 * look.size,
        fill: look.colour,
        stroke: "var(--surface)",
        strokeWidth: 1,
        className: "dots",
        ...options,
      },
    ),
  );
}

function swatch(group) {
  const look = GROUPS[group];
  const shape = { circle: d3.symbolCircle, diamond: d3.symbolDiamond, square: d3.symbolSquare, triangle: d3.symbolTriangle }[look.symbol];
  const svg = d3.create("svg").attr("class", "swatch").attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true");
  svg.append("path").attr("d", d3.symbol(shape, 80)()).style("fill", look.colour);
  return svg.node();
}

function legend(configurations, ...more) {
  const present = new Set(configurations.map(groupOf));
  const entries = Object.keys(GROUPS).filter((group) => present.has(group));
  return element(
    "ul",
    { class: "legend" },
    entries.map((group) => element("li", {}, swatch(group), GROUPS[group].name)),
    more.map((entry) => element("li", {}, entry)),
  );
}
