// A picture: drawn for the width it has, described in text, with its numbers in a table beneath.

const STYLE = { fontSize: "12px", fontFamily: "inherit", overflow: "visible" };
// Room for the title of the axis beneath its numbers.
const AXIS = { labelAnchor: "center", labelArrow: "none", labelOffset: 40 };
const NARROW = 560;

// draw(width) -> SVG; numbers: a node with the same numbers, or null.
function figure(name, title, description, draw, numbers = null) {
  const holder = element("div", { class: "plot" });
  let drawn = 0;
  const redraw = () => {
    const width = Math.floor(holder.clientWidth);
    if (width < 40 || width === drawn) return;
    drawn = width;
    holder.replaceChildren(described(draw(width), title, description));
  };
  // In a frame of its own: drawing changes the height, which the observer would otherwise report as a loop.
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(holder);
  const table = numbers && element("details", { class: "numbers" }, element("summary", {}, "Numbers"), numbers);
  const beneath = numbers && element("div", { class: "beneath" }, table, saveButton(title, holder));
  return element("figure", { "data-plot": name }, holder, beneath);
}

function described(svg, title, description) {
  const id = identifier("description");
  const text = document.createElementNS("http://www.w3.org/2000/svg", "desc");
  text.id = id;
  text.textContent = description;
  svg.prepend(text);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  svg.setAttribute("aria-describedby", id);
  return svg;
}

// A range for scores that are well above chance does not start at zero, but takes chance in where it is near.
function scoreRange(values, chance) {
  const numbers = values.filter(known);
  if (!numbers.length) return [0, 1];
  let [low, high] = d3.extent(numbers);
  const spread = Math.max(high - low, 0.02);
  if (known(chance) && low - chance < 0.5 * spread) low = Math.min(low, chance);
  const room = 0.08 * Math.max(high - low, spread);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

function chanceOf(configurations) {
  const classes = configurations.map((c) => c.classes).filter((n) => known(n) && n > 0);
  return classes.length ? 1 / Math.max(...classes) : null;
}

function chanceLine(chance, range, options = {}) {
  if (!known(chance) || chance < range[0] || chance > range[1]) return [];
  return [
    Plot.ruleY([chance], { stroke: "var(--soft)", strokeDasharray: "2 3", className: "chance" }),
    Plot.text([`chance ${score(chance)}`], {
      y: chance, frameAnchor: "left", textAnchor: "start", dy: -7, dx: 4, fill: "var(--soft)", ...options,
    }),
  ];
}

function chanceNote(chance, range) {
  if (!known(chance)) return "";
  const below = chance < range[0] ? " It lies below this axis, which does not start at zero." : "";
  return ` Chance is ${score(chance)}.${below}`;
}

// 1, 2, 5 of every power of ten, or finer where that leaves too few.
function logTicks([low, high]) {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const ticks = (steps) =>
    d3.range(from, to + 1).flatMap((power) => steps.map((step) => step * 10 ** power)).filter((t) => t >= low && t <= high);
  return [[1, 2, 5], [1, 1.5, 2, 3, 5, 7], d3.range(1, 10, 0.5)].map(ticks).find((found) => found.length > 2) ?? [low, high];
}

// Lifts labels that would lie on each other; boxes: [{x, y, width}] in pixels, y is changed. Highest priority first.
function spread(boxes, height = 14) {
  const placed = [];
  for (const box of boxes) {
    const hit = () =>
      placed.find((other) => Math.abs(other.x - box.x) < (other.width + box.width) / 2 && Math.abs(other.y - box.y) < height);
    for (let other = hit(); other; other = hit()) box.y = other.y - height;
    placed.push(box);
  }
  return boxes;
}

function tip(rows, options) {
  return Plot.tip(rows, Plot.pointer({ fill: "var(--surface)", stroke: "var(--line)", fontSize: 12, ...options }));
}
