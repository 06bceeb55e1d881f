// The legend of the curve, with the probability of every class at one moment.

import { percent } from "./prediction.js";

export class Readout {
  constructor(node, labels, colours) {
    this.numbers = labels.map((label, index) => {
      const [item, swatch, name, number] = ["li", "i", "span", "b"].map((tag) => document.createElement(tag));
      swatch.style.setProperty("--class", colours[index]);
      name.textContent = label;
      name.className = "name";
      item.append(swatch, name, number);
      node.append(item);
      return number;
    });
  }

  // null: at no moment.
  show(values) {
    this.numbers.forEach((number, index) => (number.textContent = values ? percent(values[index]) : ""));
  }
}
