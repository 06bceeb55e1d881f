// Columns of a picture: lowest and highest sample, and mel energies in dB. For the eye; the model computes its own features.

import { RATE } from "./plan.js";

export const BANDS = 64;
const SIZE = 512;
const FRAME = 400;
const WINDOW = Float64Array.from({ length: FRAME }, (_, place) => 0.5 - 0.5 * Math.cos((2 * Math.PI * place) / FRAME));
const FILTERS = filters();
const TURNS = {}; // by size of the transform

// `count` columns over all of `samples`.
export function columns(samples, count) {
  const low = new Float32Array(count);
  const high = new Float32Array(count);
  const mel = new Float32Array(count * BANDS);
  const step = samples.length / count;
  for (let column = 0; column < count; column += 1) {
    const start = Math.floor(column * step);
    const end = Math.max(start + 1, Math.floor((column + 1) * step));
    for (let place = start; place < end; place += 1) {
      low[column] = Math.min(low[column], samples[place]);
      high[column] = Math.max(high[column], samples[place]);
    }
    melColumn(samples, Math.round((start + end - FRAME) / 2), mel.subarray(column * BANDS, (column + 1) * BANDS));
  }
  return { low, high, mel };
}

function melColumn(samples, start, out) {
  const real = new Float64Array(SIZE);
  const imaginary = new Float64Array(SIZE);
  for (let place = 0; place < FRAME; place += 1) real[place] = (samples[start + place] ?? 0) * WINDOW[place];
  transform(real, imaginary);
  FILTERS.forEach(([first, weights], band) => {
    let energy = 1e-10;
    weights.forEach((weight, index) => {
      const bin = first + index;
      energy += weight * (real[bin] ** 2 + imaginary[bin] ** 2);
    });
    out[band] = 10 * Math.log10(energy);
  });
}

// Fast Fourier transform in place, of a power of two.
export function transform(real, imaginary) {
  const size = real.length;
  for (let place = 1, other = 0; place < size; place += 1) {
    let bit = size >> 1;
    for (; other & bit; bit >>= 1) other ^= bit;
    other ^= bit;
    if (place < other) [real[place], real[other]] = [real[other], real[place]];
  }
  const { cosine, sine } = (TURNS[size] ??= turns(size));
  for (let length = 2; length <= size; length *= 2) {
    const step = size / length;
    for (let turn = 0; turn < length / 2; turn += 1) {
      const c = cosine[turn * step];
      const s = sine[turn * step];
      for (let one = turn; one < size; one += length) {
        const two = one + length / 2;
        const re = real[two] * c - imaginary[two] * s;
        const im = real[two] * s + imaginary[two] * c;
        real[two] = real[one] - re;
        imaginary[two] = imaginary[one] - im;
        real[one] += re;
        imaginary[one] += im;
      }
    }
  }
}

function turns(size) {
  const angle = (place) => (-2 * Math.PI * place) / size;
  return { cosine: Float64Array.from({ length: size / 2 }, (_, place) => Math.cos(angle(place))), sine: Float64Array.from({ length: size / 2 }, (_, place) => Math.sin(angle(place))) };
}

// Triangles on the HTK mel scale: for each band its first bin and its weights.
function filters() {
  const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
  const hertz = (value) => 700 * (10 ** (value / 2595) - 1);
  const [bottom, top] = [mel(20), mel(RATE / 2)];
  const corners = Array.from({ length: BANDS + 2 }, (_, index) => hertz(bottom + ((top - bottom) * index) / (BANDS + 1)));
  return Array.from({ length: BANDS }, (_, band) => {
    const [left, middle, right] = corners.slice(band, band + 3);
    const weights = Array.from({ length: SIZE / 2 + 1 }, (_, bin) => {
      const at = (bin * RATE) / SIZE;
      return Math.max(0, Math.min((at - left) / (middle - left), (right - at) / (right - middle)));
    });
    // A band between two bins takes the nearest, so that the picture has no holes.
    if (!weights.some((weight) => weight > 0)) weights[Math.round((middle * SIZE) / RATE)] = 1;
    const first = weights.findIndex((weight) => weight > 0);
    return [first, weights.slice(first).filter((weight) => weight > 0)];
  });
}
