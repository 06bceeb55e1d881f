// Speech or not: voiced sound whose pitch moves. The same numbers as hrf_ser/deploy/runtime/speech.py, where they are explained.

import { transform } from "./mel.js";
import { RATE } from "./plan.js";

const [FRAME, HOP, SIZE] = [0.05 * RATE, 0.02 * RATE, 1024];
const [FIRST, LAST] = [Math.floor(RATE / 420), Math.floor(RATE / 65)]; // lags
const WEIGHTS = Float64Array.from({ length: SIZE / 2 + 1 }, (_, bin) => {
  const hertz = (bin * RATE) / SIZE;
  return hertz >= 90 && hertz <= 1500 ? Math.min(hertz, 1000) ** 2 : 0;
});
const WINDOW = Float64Array.from({ length: FRAME }, (_, place) => 0.5 - 0.5 * Math.cos((2 * Math.PI * place) / (FRAME - 1)));
const FALL = autocorrelation(WINDOW, 2 * SIZE, new Float64Array(SIZE + 1).fill(1)).map(Math.sqrt);

export function isSpeech(samples) {
  if (samples.length < 0.5 * RATE) return true;
  let [moving, pairs, last] = [0, 0, null];
  for (let start = 0; start + FRAME <= samples.length; start += HOP) {
    const pitch = pitchOf(samples.subarray(start, start + FRAME));
    if (pitch && last) {
      const change = Math.abs(Math.log2(pitch / last));
      pairs += 1;
      if (change > 0.004 && change < 0.12) moving += 1;
    }
    last = pitch;
  }
  return moving >= 3 && moving >= 0.2 * pairs;
}

// In hertz; null where the frame is not voiced.
function pitchOf(frame) {
  let energy = 0;
  for (const sample of frame) energy += sample * sample;
  if (energy / FRAME <= 1e-8) return null;
  const correlation = autocorrelation(WINDOW.map((weight, place) => weight * frame[place]), SIZE, WEIGHTS).map((value, lag) => value / FALL[lag]);
  let best = FIRST;
  for (let lag = FIRST; lag < LAST; lag += 1) if (correlation[lag] > correlation[best]) best = lag;
  if (correlation[best] <= 0.45) return null;
  const [before, at, after] = correlation.slice(best - 1, best + 2);
  const bend = before - 2 * at + after;
  const offset = Math.abs(bend) > 1e-9 ? (before - after) / (2 * bend) : 0;
  return RATE / (best + Math.min(0.5, Math.max(-0.5, offset)));
}

// At the lags up to LAST, 1 at lag 0.
function autocorrelation(frame, size, weight) {
  const [real, imaginary] = [new Float64Array(size), new Float64Array(size)];
  real.set(frame);
  transform(real, imaginary);
  for (let bin = 0; bin < size; bin += 1) real[bin] = (real[bin] ** 2 + imaginary[bin] ** 2) * weight[Math.min(bin, size - bin)];
  imaginary.fill(0);
  transform(real, imaginary);
  const whole = Math.max(real[0], 1e-20);
  return real.subarray(0, LAST + 1).map((value) => value / whole);
}
