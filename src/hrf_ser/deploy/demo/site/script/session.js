// One recording or one time of listening: predictions go to the page's prediction, pictures and meters.

import { percent } from "./prediction.js";
import { isSilent, largest, LEAST, Mean, RATE, Smoother, STEP } from "./plan.js";
import { COLUMNS, Track } from "./track.js";

const LIVE_COLUMN = 0.025; // seconds
const EVENT = "hrf-ser:prediction";

class Session {
  stopped = false;
  mean = new Mean();
  now = null;
  windows = []; // {start, end, silent, probabilities}, seconds; null without speech

  constructor(page, seconds, live) {
    this.page = page;
    this.smoother = new Smoother(page.plan.smoothing);
    this.track = new Track(seconds, live);
    page.pictures.show(this.track);
  }

  stop() {
    this.stopped = true;
  }

  // Classify one window; null if it has no speech, or if the session has ended.
  async window(samples, { start, end, counts }) {
    const window = { start: start / RATE, end: end / RATE, silent: isSilent(samples), probabilities: null };
    const nothing = { probabilities: null, milliseconds: 0 };
    const { probabilities, milliseconds } = window.silent ? nothing : await this.page.model.predict(samples);
    if (this.stopped) return null;
    if (!probabilities) {
      this.windows.push(window);
      this.track.addPoint(window.end, null);
      return null;
    }
    this.now = this.smoother.add(probabilities, end / RATE);
    this.track.addPoint(end / RATE, this.now);
    this.windows.push({ ...window, probabilities });
    this.page.meters.add(milliseconds);
    if (counts) this.mean.add(probabilities);
    // For programs that watch the page; tests compare with Python's predictions for the same samples.
    document.dispatchEvent(new CustomEvent(EVENT, { detail: { samples, probabilities, end: end / RATE } }));
    return probabilities;
  }
}

export class Recording extends Session {
  // `samples` at 16 kHz.
  constructor(page, name, samples) {
    const columns = Math.min(COLUMNS, Math.ceil(samples.length / 40));
    super(page, samples.length / RATE / columns, false);
    Object.assign(this, { name, samples, columns, seconds: samples.length / RATE });
  }

  async run() {
    const { page, samples } = this;
    this.track.addColumns(await page.model.picture(samples, this.columns));
    page.pictures.draw();
    // Short recordings are one input, as utterances of training were; long ones are the mean of their windows.
    const whole = this.seconds <= page.plan.whole ? await page.model.predict(samples) : null;
    if (this.stopped) return;
    if (whole?.probabilities) page.prediction.show(whole.probabilities, "the whole recording as one input");
    for (const window of page.plan.windows(samples.length)) {
      await this.window(samples.slice(window.start, window.end), window);
      if (this.stopped) return;
      if (!whole && this.mean.count) page.prediction.show(this.mean.value, `the first ${(window.end / RATE).toFixed(0)} s`);
      page.progress(window.end / samples.length);
      page.pictures.draw();
    }
    if (!whole && this.mean.count) page.prediction.show(this.mean.value, `the whole recording, mean of ${this.mean.count} windows`);
    if (!(whole ? whole.probabilities : this.mean.count)) page.prediction.noSpeech("the whole recording: silence, noise, tones or music");
    page.meters.show(this.seconds);
    page.pictures.describe();
  }
}

export class Listening extends Session {
  name = "microphone";

  constructor(page) {
    super(page, LIVE_COLUMN, true);
    // The last window, and no more, however long it listens.
    this.ring = new Float32Array(page.plan.window * RATE);
    this.taken = 0;
    this.sounded = false;
    this.busy = false;
  }

  get seconds() {
    return this.taken / RATE;
  }

  async chunk(samples) {
    if (this.stopped) return;
    this.ring.copyWithin(0, samples.length);
    this.ring.set(samples, this.ring.length - samples.length);
    this.taken += samples.length;
    this.sounded ||= !isSilent(samples);
    const due = this.taken >= LEAST * RATE && this.taken % (STEP * RATE) === 0;
    const work = [this.picture(samples)];
    // A slow computer takes fewer windows instead of falling behind.
    if (due && !this.busy) work.push(this.hop());
    await Promise.all(work);
  }

  async picture(samples) {
    const count = Math.round(samples.length / RATE / LIVE_COLUMN);
    const columns = await this.page.model.picture(samples, count);
    if (this.stopped) return;
    this.track.addColumns(columns);
    this.page.pictures.draw();
  }

  async hop() {
    this.busy = true;
    const { plan, prediction, meters, pictures } = this.page;
    const [window, hop, end] = [plan.window * RATE, plan.hop * RATE, this.taken];
    const samples = this.ring.slice(Math.max(0, this.ring.length - end));
    const probabilities = await this.window(samples, { start: end - samples.length, end, counts: end >= window && (end - window) % hop === 0 });
    this.busy = false;
    if (this.stopped) return;
    if (probabilities) prediction.show(this.now, `just now${this.overall()}`);
    else if (this.sounded) prediction.noSpeech("just now");
    else prediction.clear("…", "The microphone gives silence only. Is it muted?");
    meters.show(end / RATE);
    pictures.describe();
  }

  overall() {
    const { value } = this.mean;
    if (!value) return "";
    const best = largest(value);
    return `; since you began ${this.page.labels[best]} ${percent(value[best])}`;
  }

  finish() {
    this.stop();
    const { prediction, pictures } = this.page;
    const { value, count } = this.mean;
    if (value) prediction.show(value, `the ${this.seconds.toFixed(0)} s you listened, mean of ${count} windows`);
    else if (this.now) prediction.show(this.now, "the last moment");
    else if (this.sounded && this.windows.length) prediction.noSpeech(`the ${this.seconds.toFixed(0)} s you listened`);
    else prediction.clear("–", "Too short for a prediction: listen for a second at least.");
    pictures.describe();
  }
}
