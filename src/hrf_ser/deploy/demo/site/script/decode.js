// Any file -> 16 kHz mono: decoded by the browser, or else by the program that serves the page.

import { RATE } from "./plan.js";
import { Problem, checkSamples } from "./problems.js";

export const MOST_MINUTES = 30;

export async function decode(file) {
  const name = file.name || "The recording";
  if (!file.size) throw new Problem(`${name} is empty. Choose another file.`);
  const announced = await duration(file);
  if (announced > MOST_MINUTES * 60) throw tooLong(name, announced);
  const decoded = await byBrowser(file);
  if (decoded?.duration > MOST_MINUTES * 60) throw tooLong(name, decoded.duration);
  const samples = decoded ? mono(decoded) : await byServer(file, name);
  checkSamples(name, samples, RATE);
  return samples;
}

// null for what the browser does not read.
async function byBrowser(file) {
  try {
    // A context at 16 kHz resamples while it decodes; a file at 16 kHz keeps its samples as they are.
    return await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    return null;
  }
}

async function byServer(file, name) {
  let response;
  try {
    response = await fetch(`/decode?${encodeURIComponent(name)}`, { method: "POST", body: file });
  } catch {
    response = null; // The page was kept, and its server is gone.
  }
  if (!response?.ok) {
    const reason = response?.status === 413 ? "is too large" : "cannot be read as audio by this browser";
    throw new Problem(`${name} ${reason}. Choose a wav, flac, mp3, ogg or m4a file.`);
  }
  if (response.headers.get("Content-Type") === "application/json") {
    throw new Problem(`${(await response.json()).error.replace(/\.$/, "")}.`);
  }
  return new Float32Array(await response.arrayBuffer());
}

// Seconds as the file's header has them, before hours of audio fill the memory; 0 where it does not say.
function duration(file) {
  return new Promise((resolve) => {
    const media = new Audio();
    const address = URL.createObjectURL(file);
    const done = (seconds) => {
      clearTimeout(timer);
      media.removeAttribute("src");
      URL.revokeObjectURL(address);
      resolve(Number.isFinite(seconds) ? seconds : 0);
    };
    const timer = setTimeout(() => done(0), 3000);
    media.preload = "metadata";
    media.onloadedmetadata = () => done(media.duration);
    media.onerror = () => done(0);
    media.src = address;
  });
}

// The mean of the channels, or the loudest channel where the mean has lost more than 20 dB, as the Python side takes it; the
// browser's own mixing would weigh them.
function mono(decoded) {
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, index) => decoded.getChannelData(index));
  if (channels.length === 1) return channels[0].slice();
  const mean = Float32Array.from(channels[0], (_, place) => channels.reduce((sum, channel) => sum + channel[place], 0) / channels.length);
  const energies = channels.map(energy);
  const loudest = energies.indexOf(Math.max(...energies));
  return energy(mean) * 100 < energies[loudest] ? channels[loudest].slice() : mean;
}

function energy(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}

function tooLong(name, seconds) {
  return new Problem(`${name} is too long for this page: ${Math.round(seconds / 60)} minutes, at most ${MOST_MINUTES}. Cut it, or use hrf_ser.predict.`);
}
