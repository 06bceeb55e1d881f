// Windows, smoothing and the overall prediction, as the Python runtime has them.

export const RATE = 16000;

// The curve has a point every STEP seconds, from the first LEAST seconds on; before a whole window is there, of what there is.
export const STEP = 0.5;
export const LEAST = 1;
// Below half a step of 16-bit audio nothing was recorded.
const SILENCE = 1e-5;

// window, hop, smoothing and whole are seconds and come with the model.
export class Plan {
  constructor({ window, hop, smoothing, whole }) {
    Object.assign(this, { window, hop, smoothing, whole });
  }

  // Windows of a recording of `length` samples, in order. Those that count make up the overall prediction; the others only draw.
  *windows(length) {
    const [window, hop, step] = [this.window, this.hop, STEP].map((seconds) => Math.round(seconds * RATE));
    for (let end = LEAST * RATE; end < length; end += step) {
      yield { start: Math.max(0, end - window), end, counts: end >= window && (end - window) % hop === 0 };
    }
    yield { start: Math.max(0, length - window), end: length, counts: true };
  }
}

export function isSilent(samples) {
  return samples.every((sample) => Math.abs(sample) < SILENCE);
}

// The mean of all posteriors, in memory that does not grow.
export class Mean {
  count = 0;
  sums = null;

  add(values) {
    this.sums ??= new Float64Array(values.length);
    values.forEach((value, index) => (this.sums[index] += value));
    this.count += 1;
  }

  get value() {
    return this.sums && Array.from(this.sums, (sum) => sum / this.count);
  }
}

// Moving average, in which what is `seconds` old weighs a third. Points need not be equally far apart.
export class Smoother {
  last = null;
  time = 0;

  constructor(seconds) {
    this.seconds = seconds;
  }

  add(values, time) {
    const keep = this.last && this.seconds ? Math.exp((this.time - time) / this.seconds) : 0;
    this.last = Array.from(values, (value, index) => (keep ? keep * this.last[index] : 0) + (1 - keep) * value);
    this.time = time;
    return this.last;
  }
}

export function largest(values) {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}
