// Emotion of a recording in Node: node predict.js model.onnx speech.wav
// Needs `npm install onnxruntime-node`; model.onnx.json lies beside model.onnx. The recording is 16-bit mono wav.
const { readFileSync } = require("node:fs");
const ort = require("onnxruntime-node");

function readWav(path, rate) {
  const file = readFileSync(path);
  let format = null;
  for (let place = 12; place + 8 <= file.length; ) {
    const name = file.toString("latin1", place, place + 4);
    const size = file.readUInt32LE(place + 4);
    const begin = place + 8;
    if (name === "fmt ") format = [file.readUInt16LE(begin), file.readUInt16LE(begin + 2), file.readUInt32LE(begin + 4), file.readUInt16LE(begin + 14)];
    if (name === "data") {
      if (String(format) !== String([1, 1, rate, 16])) throw new Error(`${path}: convert it with ffmpeg -i ${path} -ac 1 -ar ${rate} -c:a pcm_s16le out.wav`);
      const count = Math.min(size, file.length - begin) >> 1;
      return Float32Array.from({ length: count }, (_, number) => file.readInt16LE(begin + 2 * number) / 32768);
    }
    place = begin + size + (size & 1);
  }
  throw new Error(`${path}: is no wav file`);
}

async function main([model, recording]) {
  const { labels, sample_rate: rate } = JSON.parse(readFileSync(`${model}.json`, "utf8"));
  const session = await ort.InferenceSession.create(model);
  const samples = readWav(recording, rate);
  const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
  const { probabilities } = await session.run({ waveform }, ["probabilities"]);
  labels.forEach((label, number) => console.log(label, probabilities.data[number].toFixed(6)));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
