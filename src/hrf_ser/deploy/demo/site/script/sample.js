// Four seconds of something like a voice: a buzz with three formants whose pitch and loudness move. It is not speech.

import { RATE } from "./plan.js";

const SECONDS = 4;
const FORMANTS = [[650, 90], [1200, 120], [2600, 180]]; // Hz, and how broad

export function syntheticSound() {
  const samples = new Float32Array(SECONDS * RATE);
  const filters = FORMANTS.map(([hertz, width]) => resonator(hertz, width));
  let phase = 0;
  for (let index = 0; index < samples.length; index += 1) {
    const time = index / RATE;
    const syllable = Math.max(0, Math.sin(2 * Math.PI * 1.75 * time)) ** 0.6;
    phase += (150 + 60 * Math.sin(1.3 * time) + 25 * syllable + 4 * Math.sin(2 * Math.PI * 5.5 * time)) / RATE;
    const buzz = 2 * (phase % 1) - 1;
    samples[index] = syllable * filters.reduce((sum, filter) => sum + filter(buzz), 0);
  }
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return samples.map((sample) => (0.5 * sample) / peak);
}

function resonator(hertz, width) {
  const radius = Math.exp((-Math.PI * width) / RATE);
  const turn = 2 * radius * Math.cos((2 * Math.PI * hertz) / RATE);
  let [last, before] = [0, 0];
  return (input) => {
    const output = (1 - radius) * input + turn * last - radius * radius * before;
    [last, before] = [output, last];
    return output;
  };
}
