// Emotion of one utterance with an exported ExecuTorch program: 16-bit mono PCM of 16 kHz on stdin, a label and its
// probability a line on stdout. Build and use: docs/guides/phone.md.
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <cstdint>
#include <cstdio>
#include <vector>

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::runtime::Error;
using executorch::runtime::Program;

static int fail(const char* what) {
    std::fprintf(stderr, "emotion: %s\n", what);
    return 1;
}

int main(int argc, char** argv) {
    if (argc < 3) return fail("usage: emotion model.pte label... < speech.s16");
    Module module(argv[1]);
    // A damaged file is not to crash the program: look through its structure before trusting it.
    if (module.load(Program::Verification::InternalConsistency) != Error::Ok || module.load_forward() != Error::Ok)
        return fail("the model cannot be loaded");

    // The file has room for so many samples; what the utterance does not fill stays zero.
    const auto meta = module.method_meta("forward");
    if (!meta.ok() || meta->num_inputs() != 2) return fail("not a file of format=executorch");
    const auto shape = meta->input_tensor_meta(0);
    if (!shape.ok() || shape->sizes().size() != 2) return fail("not a file of format=executorch");
    const int32_t room = shape->sizes()[1];

    std::vector<int16_t> pcm(room + 1);  // one more, to see that there is too much
    int64_t samples = std::fread(pcm.data(), sizeof(int16_t), pcm.size(), stdin);
    if (samples < 800) return fail("less than 50 ms of audio");
    if (samples > room) return fail("the audio is longer than the model was exported for");
    std::vector<float> waveform(room);
    bool silent = true;
    for (int64_t i = 0; i < samples; ++i) {
        waveform[i] = pcm[i] / 32768.0f;
        silent = silent && pcm[i] == 0;
    }
    if (silent) return fail("the audio is silent");

    const auto speech = from_blob(waveform.data(), {1, room});
    const auto count = from_blob(&samples, {1}, executorch::aten::ScalarType::Long);
    const auto outputs = module.forward({speech, count});
    if (!outputs.ok() || outputs->size() != 2) return fail("the model did not run");

    const auto probabilities = outputs->at(1).toTensor();  // 0: logits
    if (probabilities.numel() != argc - 2) return fail("as many labels as the model has classes, please");
    for (int i = 0; i < argc - 2; ++i)
        std::printf("%s %.6f\n", argv[i + 2], probabilities.const_data_ptr<float>()[i]);
    return 0;
}
