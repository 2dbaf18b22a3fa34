// What the kernels take: raw pointers and sizes, no torch. One table of functions for each instruction set.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lossary {

enum DType { float64, float32, float16, bfloat16, dtypes };

// What every loss's kernel takes. The dtype of computation is fp32, or fp64 for fp64.
struct Loss {
  static constexpr const char* out_of_domain = "target holds a value outside [0, 1]";

  int64_t rows, rows_of_unit, units;  // a unit of work is some rows, of one image where classes are strided
  const void* row_weight;             // (rows), in the dtype of computation. A row of weight 0 is not read
  double scale;                       // of the gradients
  void* gradients[3];                 // like the inputs, each null where none is wanted
  bool non_temporal;                  // the gradient exceeds the caches
  void* values;                       // (rows), in the dtype of computation, or null
  double* sums;                       // (units), of the values
  std::atomic<bool>* outside;         // set where a value lies outside its domain
};

// Softmax over the classes of logits (N, C, S), with class indices (N, S) or probabilities (N, C, S) as targets: N * S
// rows. Class indices are checked before; a row that is ignored is not read.
struct Rows : Loss {
  const void* logits;
  const int64_t* index;
  const void* probabilities;
  const void* class_weight;  // (C), in the dtype of computation
  int64_t classes, inner, ignore_index;
  double smoothing, gamma;
};

// Losses of single elements, each a row.
struct Elementwise : Loss {
  static constexpr const char* out_of_domain = "input or target holds a value outside its domain";
  static constexpr int64_t block = 2048;  // elements of a unit

  int64_t function;  // its place in functions.inc
  const void* input;
  const void* target;
  const void* third;   // a second input, or weights with a cycle
  const void* weight;  // element i takes weight[i % weight_cycle]; in the dtype of computation
  int64_t third_cycle, weight_cycle, inner;  // element i takes row_weight[i / inner]
  const double* parameters;  // as many as functions.inc says
};

// Overlap of masks: sums over the M pixels of each of C classes of scores (N, C, M), and the gradient that they give.
// A row of this call is a pixel, and a unit of work some pixels of one sample.
struct Overlap : Loss {
  static constexpr const char* out_of_domain = "input or target holds a value outside [0, 1]";
  enum Activation : int64_t { softmax, sigmoid, none };
  static constexpr int64_t sums_of_class = 3;  // TP, FP and FN; squared: Σ w (p - t)², Σ w (p² + t²), Σ w t

  const void* input;
  const int64_t* index;       // (N, M), or null: then
  const void* masks;          // (N, C, M)
  const void* pixel_weight;   // (N, M), in the dtype of computation, or null for 1
  const bool* counts;         // (N): a sample that does not is not read
  int64_t classes, inner, ignore_index;
  Activation activation;
  bool minimum;               // of p and t, which are not hard; else their product
  bool squared, batch;        // batch: all samples have the slopes of the first
  int64_t first_unit;         // of those that are added up
  double* partial;            // (units, C, sums_of_class)
  const double* slopes;       // (N, C, 2): those of a probability where the target is 0 and 1; squared: a, b of a p + b t
};

// Losses of rows of vectors (N, D).
struct Pairs : Loss {
  bool triplet;        // else the cosine embedding loss
  const void* x[3];    // (N, D)
  const void* target;  // (N), of the cosine loss, in the dtype of computation
  int64_t width;
  double margin, eps;
  bool swap;
};

// Losses of pairs of boxes (N, 4).
struct BoxPairs : Loss {
  static constexpr const char* out_of_domain = "a box has its ends in the wrong order";
  static constexpr int64_t block = 256;  // boxes of a unit

  int64_t kind, corners;  // their places in core/boxes.py and core/contract.py
  bool held_alpha;
  const void* input;
  const void* target;
};

// KL divergence between the softmax of rows of logits (N, C), target first.
struct Divergence : Loss {
  const void* input;
  const void* target;
  int64_t classes;
  double temperature;
};

// Connectionist temporal classification of sequences (T, N, C), time or batch first in memory: N rows, each a unit.
struct Ctc : Loss {
  bool from_logits;  // else from log-probabilities
  const void* input;
  const int64_t* labels;
  const int64_t* begin;    // of each sample's labels
  const int64_t* lengths;  // of each sample's labels, checked before, as labels are
  const int64_t* frames;   // of each sample
  int64_t time, classes, time_stride, batch_stride;  // the classes of a frame lie together
  int64_t blank, most_frames, most_labels;
  bool zero_infinity;
  bool mean;  // over the labels of a sample
};

// The transducer loss of logits (N, T, S + 1, C): N rows, each a unit.
struct Rnnt : Loss {
  const void* input;
  const int64_t* labels;   // (N, S)
  const int64_t* lengths;  // of each sample's labels, checked before, as labels are
  const int64_t* frames;   // of each sample
  int64_t time, places, classes;  // places: S + 1
  int64_t blank, most_frames, most_labels;
  bool zero_infinity;
};

// Cox's partial likelihood of log-hazards (N): one unit, since every row is at risk with others.
struct Cox : Loss {
  static constexpr const char* out_of_domain = "duration or event holds a value outside its domain";

  const void* input;
  const int64_t* places;  // (N), the rows in order of stratum and time, with what cox.h calls flags below
  const void* events;     // (N), in the dtype of computation
  const void* members;    // (N), likewise, or null: a row of 0 is not in the batch
  bool efron;
};

// What is done to logits first: softcap * tanh(x / softcap), if it is not 0, divided by the temperature.
struct LogitTransform {
  double softcap, temperature;
};

// Cross-entropy of rows of transformed logits (N, C), whose place the gradient may take.
struct TransformedRows : Rows {
  LogitTransform transform;
  const void* shares;  // (N, picks), of the classes in `index` (N, picks); in the dtype of computation, or null for 1
  int64_t picks;
  double z_loss;
};

// Log-probability of a class, entropy, log-sum-exp and most probable class of rows of transformed logits (N, C).
struct LogProb : Rows {
  LogitTransform transform;
  void* outputs[3];         // (N) each, in the dtype of computation, or null
  int64_t* predicted;       // (N), or null
  const void* upstream[3];  // (N) each, likewise: what the gradients of the outputs are multiplied by; they add up
};

// Similarities of some rows with all candidates, over the temperature: a chunk of rows (N, C), in the dtype of
// computation, whose place their gradient takes. Each row's positive stands apart from its rivals, of which those with
// the label of the positive are none. What is of rows, and of columns, is of all of them.
struct Similarities {
  static constexpr int64_t tile = 256;  // columns of a unit
  void* x;
  int64_t first, rows, columns;  // rows [first, first + rows)
  const int64_t* positive;       // of each row, a column
  const int64_t* label;          // of each column, or null
  void* own;                     // of each row: its similarity with the positive

  // Of the rivals of each row, and of each column among the rows: the largest similarity, 0 where there is none, and the
  // sum of exponentials against it. Those of columns are null where they are not wanted, and -inf at first.
  void* largest;
  double* sum;
  void* column_largest;
  double* column_sum;

  // Of the gradient: what these exponentials are multiplied by, and what stands at the positive.
  const double* factor;
  const void* column_factor;
  const double* own_gradient;
};

// of: what works units [begin, end) off, by the dtype of the data. scratch: how many bytes each thread needs.
template <class Call>
struct Kernel {
  void (*of[dtypes])(const Call&, int64_t begin, int64_t end, char* scratch);
  size_t (*scratch)(const Call&);
};

struct Kernels {
  const char* instruction_set;
  Kernel<Rows> rows, nll;  // of nll the logits are log-probabilities
  Kernel<Elementwise> elementwise;
  Kernel<Divergence> divergences;
  Kernel<Overlap> overlap_sums, overlap_gradients;
  Kernel<Pairs> pairs;
  Kernel<BoxPairs> boxes;
  Kernel<Ctc> ctc;
  Kernel<Rnnt> rnnt;
  Kernel<Cox> cox;
  Kernel<TransformedRows> transformed_rows;
  Kernel<LogProb> log_probs;
  Kernel<Similarities> row_rivals, column_rivals, similarity_gradients;
};

}  // namespace lossary
