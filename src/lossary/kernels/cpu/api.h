// What the kernels take: raw pointers and sizes, no torch. One table of functions for each instruction set.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lossary {

enum DType { float64, float32, float16, bfloat16, dtypes };

// Softmax over the classes of logits (N, C, S), with class indices (N, S) or probabilities (N, C, S) as targets.
// Class indices are checked before; a row that is ignored or of weight 0 is not read.
struct Rows {
  const void* logits;
  const int64_t* index;
  const void* probabilities;
  const void* class_weight;  // (C), in the dtype of computation: fp32, or fp64 for fp64
  const void* row_weight;    // (N, S), likewise
  int64_t classes, inner, ignore_index;
  double smoothing, gamma;
  double scale;    // of the gradient
  void* gradient;    // like logits, or null
  bool past_caches;  // it is too large for them
  void* values;    // (N, S) in the dtype of computation, or null
  double* sums;    // of the values of each unit
  std::atomic<bool>* outside;  // set where a probability lies outside [0, 1]
  int64_t rows_of_unit, rows;
};

// Losses of single elements. A unit of work is a block of elements.
struct Elementwise {
  int64_t function;  // its place in functions.inc
  const void* input;
  const void* target;
  const void* third;       // a second input, or weights with a cycle
  const void* weight;      // element i takes weight[i % weight_cycle]; in the dtype of computation
  const void* row_weight;  // element i takes row_weight[i / inner]; likewise. What has weight 0 may hold anything
  int64_t n, third_cycle, weight_cycle, inner;
  double a, b;  // beta, delta, margin, eps, alpha; gamma
  double scale;  // of the gradients
  void* dx;      // like input, or null
  void* du;      // like the second input, or null
  void* values;  // in the dtype of computation, or null
  double* sums;  // of the values of each unit
  std::atomic<bool>* outside;  // set where a value lies outside its domain
};

// Losses of rows of vectors (N, D). A unit of work is some rows.
struct Pairs {
  bool triplet;           // else the cosine embedding loss
  const void* x[3];       // (N, D)
  const void* target;     // (N), of the cosine loss, in the dtype of computation
  const void* row_weight; // (N), likewise
  int64_t rows, width, rows_of_unit;
  double margin, eps;
  bool swap;
  double scale;       // of the gradients
  void* gradient[3];  // like x, or null
  void* values;       // (N), in the dtype of computation, or null
  double* sums;       // of the values of each unit
};

// KL divergence between the softmax of rows of logits (N, C), target first. A unit of work is some rows.
struct Divergence {
  const void* input;
  const void* target;
  const void* row_weight;  // (N), in the dtype of computation
  int64_t rows, classes, rows_of_unit;
  double temperature;
  double scale;       // of the gradients
  void* gradient[2];  // like input and target, or null
  bool past_caches;   // they are too large for them
  void* values;       // (N), in the dtype of computation, or null
  double* sums;       // of the values of each unit
};

// Connectionist temporal classification of sequences (T, N, C), time or batch first in memory. A unit of work is a sample.
struct Ctc {
  bool from_logits;        // else from log-probabilities
  const void* input;
  const int64_t* labels;
  const int64_t* begin;    // of each sample's labels
  const int64_t* lengths;  // of each sample's labels, checked before, as labels are
  const int64_t* frames;   // of each sample
  const void* row_weight;  // (N), in the dtype of computation
  int64_t time, batch, classes, time_stride, batch_stride;  // the classes of a frame lie together
  int64_t blank, most_frames, most_labels;
  bool zero_infinity;
  bool mean;       // over the labels of a sample
  double scale;    // of the gradient
  void* gradient;  // like the input, or null
  bool past_caches;  // it is too large for them
  void* values;    // (N), in the dtype of computation, or null
  double* sums;    // the value of each sample
};

// What is done to logits first: softcap * tanh(x / softcap), if it is not 0, divided by the temperature.
struct Shape {
  double softcap, temperature;
};

// Cross-entropy of rows of shaped logits (N, C). A unit of work is some rows.
struct Shaped {
  const void* logits;
  Shape shape;
  const int64_t* index;       // (N, picks): the classes of each row's target, or null
  const void* shares;         // (N, picks): their parts of it, in the dtype of computation; null for 1
  const void* probabilities;  // (N, C), or null
  const void* class_weight;   // (C), in the dtype of computation
  const void* row_weight;     // (N), likewise
  int64_t rows, classes, picks, ignore_index, rows_of_unit;
  double smoothing, z_loss;
  double scale;      // of the gradient
  void* gradient;    // like logits, which may be its place, or null
  void* values;      // (N) in the dtype of computation, or null
  double* sums;      // of the values of each unit
  std::atomic<bool>* outside;  // set where a probability lies outside [0, 1]
};

// Log-probability of a class, entropy, log-sum-exp and most probable class of rows of shaped logits (N, C).
struct LogProb {
  const void* logits;
  Shape shape;
  const int64_t* index;  // (N)
  int64_t rows, classes, ignore_index;
  void* values[3];          // (N) each, in the dtype of computation, or null
  int64_t* predicted;       // (N), or null
  const void* upstream[3];  // (N) each, likewise: what the gradients of the values are multiplied by
  void* gradient;           // of all three, like logits, which may be its place, or null
};

struct Kernels {
  const char* instruction_set;
  void (*rows[dtypes])(const Rows&, int64_t begin, int64_t end, char* scratch);
  size_t (*rows_scratch)(const Rows&);
  void (*elementwise[dtypes])(const Elementwise&, int64_t begin, int64_t end, char* scratch);
  int64_t elementwise_block;
  size_t (*elementwise_scratch)(const Elementwise&);
  void (*nll[dtypes])(const Rows&, int64_t begin, int64_t end, char* scratch);  // logits: log-probabilities
  void (*divergences[dtypes])(const Divergence&, int64_t begin, int64_t end, char* scratch);
  size_t (*divergences_scratch)(const Divergence&);
  void (*pairs[dtypes])(const Pairs&, int64_t begin, int64_t end, char* scratch);
  size_t (*pairs_scratch)(const Pairs&);
  void (*ctc[dtypes])(const Ctc&, int64_t begin, int64_t end, char* scratch);
  size_t (*ctc_scratch)(const Ctc&);
  void (*shaped[dtypes])(const Shaped&, int64_t begin, int64_t end, char* scratch);
  void (*log_probs[dtypes])(const LogProb&, int64_t begin, int64_t end, char* scratch);
  size_t (*shaped_scratch)(int64_t classes);
};

}  // namespace lossary
