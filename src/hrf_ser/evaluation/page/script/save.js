// A picture as a file of its own, for papers and websites: the page's styles are written into it.

// All of them are inherited, so each is written only where it changes.
const INHERITED = [
  "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap",
  "paint-order", "text-anchor", "font-size", "font-family", "font-weight", "font-variant", "color", "visibility",
];

function saveButton(title, holder) {
  const name = title.toLowerCase().match(/[a-z0-9]+/g).join("_");
  const save = () => saveAs(`${name}.svg`, standalone(holder.querySelector("svg")));
  return element("button", { type: "button", class: "save", title: `Save the picture: ${title}`, click: save }, "Save as SVG");
}

function standalone(svg) {
  const copy = svg.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll("*")];
  [svg, ...svg.querySelectorAll("*")].forEach((node, index) => write(node, copies[index], node === svg));
  for (const style of copy.querySelectorAll("style")) style.remove();
  const ground = document.createElementNS(copy.namespaceURI, "rect");
  const colour = getComputedStyle(svg).getPropertyValue("--plot-background");
  for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: colour, stroke: "none" })) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

function write(node, copy, isRoot) {
  const style = getComputedStyle(node);
  const above = isRoot ? null : getComputedStyle(node.parentNode);
  copy.removeAttribute("style");
  copy.removeAttribute("class");
  for (const name of INHERITED) {
    const value = style.getPropertyValue(name);
    if (above?.getPropertyValue(name) === value) copy.removeAttribute(name);
    else copy.setAttribute(name, value);
  }
  if (style.opacity !== "1") copy.setAttribute("opacity", style.opacity);
}

function saveAs(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
