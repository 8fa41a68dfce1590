// Scores events with a network that `tuner export STUDY -o network.onnx` wrote.
//
//     g++ -std=c++17 score_events.cpp -I$ORT/include -L$ORT/lib -lonnxruntime -o score_events
//     ./score_events network.onnx events.txt
//
// events.txt has an event a line: its features, separated by blanks, in the order of the model card's `inputs`, as they
// are in the data, -999 or whatever stands for "not defined" too. One score a line comes out.

#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

// Keep one of these for the whole job: opening a file costs more than scoring thousands of events.
class Network {
 public:
  explicit Network(const std::string& path) : session_(env_, path.c_str(), make_options()) {
    n_features_ = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape().at(1);
  }

  int64_t n_features() const { return n_features_; }

  // Returns a score for each event; `features` holds one event after the other.
  std::vector<float> score(std::vector<float>& features) {
    const int64_t shape[] = {static_cast<int64_t>(features.size()) / n_features_, n_features_};
    Ort::Value input = Ort::Value::CreateTensor<float>(memory_, features.data(), features.size(), shape, 2);
    const char* input_names[] = {"features"};
    const char* output_names[] = {"score"};
    std::vector<Ort::Value> outputs =
        session_.Run(Ort::RunOptions{nullptr}, input_names, &input, 1, output_names, 1);
    const float* scores = outputs.front().GetTensorData<float>();
    return std::vector<float>(scores, scores + shape[0]);
  }

 private:
  static Ort::SessionOptions make_options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // a batch system gives a job one core
    return options;
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "tuner"};
  Ort::Session session_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  int64_t n_features_ = 0;
};

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: score_events NETWORK.onnx EVENTS.txt\n";
    return 2;
  }
  try {
    Network network(argv[1]);
    std::ifstream file(argv[2]);
    if (!file) {
      std::cerr << argv[2] << " cannot be read\n";
      return 1;
    }
    std::vector<float> features;
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream values(line);
      std::size_t before = features.size();
      for (float value = 0; values >> value;) features.push_back(value);
      if (features.size() - before != static_cast<std::size_t>(network.n_features())) {
        std::cerr << "each line must have " << network.n_features() << " numbers, but one is: " << line << "\n";
        return 1;
      }
    }
    for (float score : network.score(features)) std::printf("%.9g\n", score);
  } catch (const Ort::Exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
