// How fast it is: the median of the last windows, and computing time over time of sound.

const KEPT = 200;

export class Meters {
  constructor(nodes) {
    this.nodes = nodes;
    this.reset();
  }

  reset() {
    this.times = [];
    this.count = 0;
    this.spent = 0;
    for (const name of ["latency", "factor", "windows"]) this.nodes[name].textContent = "–";
  }

  add(milliseconds) {
    this.times.push(milliseconds);
    if (this.times.length > KEPT) this.times.shift();
    this.count += 1;
    this.spent += milliseconds;
  }

  // `seconds` of sound were processed with all of this.
  show(seconds) {
    if (!this.count) return;
    const sorted = [...this.times].sort((one, other) => one - other);
    const median = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
    this.nodes.latency.textContent = `${median.toFixed(1)} ms`;
    this.nodes.latency.dataset.value = median;
    this.nodes.factor.textContent = (this.spent / 1000 / seconds).toPrecision(2);
    this.nodes.windows.textContent = this.count.toLocaleString("en");
  }
}
