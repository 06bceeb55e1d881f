// Runs on the audio thread: collects 100 ms of the microphone, all channels averaged, and hands them on.

const CHUNK = 1600;

class Recorder extends AudioWorkletProcessor {
  chunk = new Float32Array(CHUNK);
  filled = 0;

  process([channels]) {
    const length = channels[0]?.length ?? 0;
    for (let place = 0; place < length; place += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[place];
      this.chunk[this.filled] = sum / channels.length;
      this.filled += 1;
      if (this.filled === CHUNK) {
        this.port.postMessage(this.chunk, [this.chunk.buffer]);
        this.chunk = new Float32Array(CHUNK);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
