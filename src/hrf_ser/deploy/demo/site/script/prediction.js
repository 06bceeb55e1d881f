// The emotion in large letters, and the probability of every class. Names of classes only ever become text.

import { largest } from "./plan.js";

const SPOKEN_EVERY = 4000; // ms: a screen reader must come to its end

export class PredictionView {
  constructor(nodes, labels, colours) {
    Object.assign(this, { nodes, labels });
    this.rows = labels.map((label, index) => row(label, colours[index]));
    nodes.bars.replaceChildren(...this.rows.map(({ node }) => node));
    this.colours = colours;
    this.spoken = { text: "", time: -Infinity };
  }

  clear(word, under) {
    this.nodes.headline.dataset.empty = "";
    this.nodes.word.textContent = word;
    this.nodes.probability.textContent = "";
    this.nodes.under.textContent = under;
    this.rows.forEach((one) => one.set(null));
    this.spoken = { text: "", time: -Infinity };
  }

  noSpeech(under) {
    this.clear("no speech", under);
    this.nodes.spoken.textContent = "no speech";
  }

  // `under` says of what: "the whole recording".
  show(values, under) {
    const best = largest(values);
    delete this.nodes.headline.dataset.empty;
    this.nodes.headline.style.setProperty("--class", this.colours[best]);
    this.nodes.word.textContent = this.labels[best];
    this.nodes.probability.textContent = percent(values[best]);
    this.nodes.under.textContent = under;
    this.rows.forEach((one, index) => one.set(values[index], index === best));
    this.announce(this.labels[best], values[best]);
  }

  announce(label, value) {
    const now = performance.now();
    if (label === this.spoken.text || now - this.spoken.time < SPOKEN_EVERY) return;
    this.spoken = { text: label, time: now };
    this.nodes.spoken.textContent = `${label}, ${percent(value)}`;
  }
}

function row(label, paint) {
  const node = document.createElement("li");
  const [name, bar, number] = ["name", "bar", "number"].map((part) => {
    const span = document.createElement("span");
    span.className = part;
    return span;
  });
  name.textContent = label;
  name.title = label;
  bar.style.setProperty("--class", paint);
  bar.ariaHidden = "true";
  node.append(name, bar, number);
  const set = (value, best = false) => {
    bar.style.setProperty("--share", value ?? 0);
    number.textContent = value === null ? "–" : percent(value);
    number.dataset.value = value ?? "";
    node.classList.toggle("best", best);
  };
  set(null);
  return { node, set };
}

export function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;
}
