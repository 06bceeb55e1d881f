// Errors that a user can cause, each in a sentence with the remedy.

export class Problem extends Error {}

export const LEAST_SECONDS = 0.05;

// The rules of the Python side's read_audio.
export function checkSamples(name, samples, rate) {
  const seconds = samples.length / rate;
  if (samples.length === 0) throw new Problem(`${name} holds no audio. Choose another file.`);
  if (seconds < LEAST_SECONDS) {
    throw new Problem(`${name} is too short: ${seconds.toFixed(3)} s, and at least ${LEAST_SECONDS} s are needed.`);
  }
  let sound = false;
  for (const sample of samples) {
    if (!Number.isFinite(sample)) throw new Problem(`${name} holds samples that are no numbers. Choose another file.`);
    sound ||= sample !== 0;
  }
  if (!sound) throw new Problem(`${name} is silent: every sample is zero. Choose another file.`);
}

// Why a browser gives no microphone to this page at all; null where it does.
export function noMicrophone() {
  if (isSecureContext) return null;
  return "No microphone here: browsers give it to a page of another computer over https only. Start the demo with https=true, or choose a file.";
}

const MICROPHONE = {
  NotAllowedError: "The microphone is not allowed. Allow it for this page beside the address, then press Listen again.",
  NotFoundError: "No microphone was found. Connect one, or choose a file.",
  NotReadableError: "The microphone cannot be opened; another program may be using it. Close that, or choose a file.",
  NotSupportedError: "This browser cannot listen at 16 kHz. Use a browser built on Chromium, or choose a file.",
};

export function aboutMicrophone(error) {
  return MICROPHONE[error.name] ?? `The microphone cannot be used (${error.message}). Choose a file instead.`;
}
