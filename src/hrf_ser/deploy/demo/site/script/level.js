// How loud the microphone is, in dB below full scale, and whether that is too quiet or too loud.

const FLOOR = -60;

export class Level {
  constructor(node) {
    this.node = node;
    [this.bar, this.text] = [node.querySelector(".bar"), node.querySelector(".number")];
  }

  set shown(value) {
    this.node.hidden = !value;
  }

  show(samples) {
    let [sum, peak] = [0, 0];
    for (const sample of samples) {
      sum += sample * sample;
      peak = Math.max(peak, Math.abs(sample));
    }
    const decibels = Math.max(FLOOR, 10 * Math.log10(sum / samples.length + 1e-12));
    const state = peak >= 0.99 ? "clipped" : decibels < -50 ? "quiet" : "good";
    this.node.dataset.state = state;
    this.bar.style.setProperty("--share", 1 - decibels / FLOOR);
    this.bar.setAttribute("aria-valuenow", Math.round(decibels));
    this.text.textContent = `${Math.round(decibels)} dB${{ clipped: ", too loud", quiet: ", quiet", good: "" }[state]}`;
  }
}
