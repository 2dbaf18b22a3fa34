// The softmax of similarities of rows with candidates, which are never whole: chunks of rows go through one buffer, where
// they become their gradient, which that chunk's part of the other gradients is made of at once. The softmax of columns
// (symmetric) needs all rows before its first gradient: then each chunk is made twice.
//
// Shapes: N rows, M candidates, D features; n rows and m candidates of these are in the batch.
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "products.h"

namespace lossary {
namespace {

// Which rows and candidates are in the batch, by their places, and the column of each row's positive.
struct Batch {
  std::vector<int64_t> rows, columns, positive;

  // members: a row is in the batch where it is not 0. A candidate leaves with the last row whose positive it is.
  Batch(int64_t n, int64_t m, const MaybeTensor& positives, const MaybeTensor& members) {
    const auto* const given = static_cast<const int64_t*>(data(positives));
    enum : char { free, left, kept };
    std::vector<char> is(m, free);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t y = given ? given[i] : i;
      const bool here = !members.has_value() || weight_at(data(members), dtype_of(*members), i) != 0;
      if (y < 0 || y >= m) {
        if (!here) continue;
        throw std::out_of_range("positives holds " + std::to_string(y) + " in row " + std::to_string(i) +
                                "; the candidates are 0 to " + std::to_string(m - 1));
      }
      if (here) rows.push_back(i);
      is[y] = here || is[y] == kept ? kept : left;
    }
    std::vector<int64_t> column(m);
    for (int64_t j = 0; j < m; ++j) {
      column[j] = static_cast<int64_t>(columns.size());
      if (is[j] != left) columns.push_back(j);
    }
    for (const int64_t i : rows) positive.push_back(column[given ? given[i] : i]);
  }
};

// Rows of the caller's, made vectors of length `factor`, or multiplied by it where lengths count.
template <class T>
struct Vectors {
  const T* const from;
  const std::vector<int64_t>& places;
  const int64_t D;
  const bool normalize;
  const double factor;
  std::vector<double> slope;  // of each: factor over its length

  Vectors(const Tensor& x, const std::vector<int64_t>& places, bool normalize, double factor)
      : from(static_cast<const T*>(x.const_data_ptr())), places(places), D(x.size(1)), normalize(normalize),
        factor(factor), slope(places.size()) {}

  void make(int64_t begin, int64_t count, T* to) {
    in_parallel(count, grain_of(D), 0, [&](int64_t first, int64_t last, char*) {
      for (int64_t r = first; r < last; ++r) slope[begin + r] = make_one(from + places[begin + r] * D, to + r * D);
    });
  }

  // d: with respect to a vector v that was made. Of the row it was made of it is slope (d - (d · v) v / factor²), and its
  // product with v is the answer; a row of zeros has none.
  double gradient(int64_t r, const T* d, const T* v, T* to) const {
    double along = 0;
    for (int64_t k = 0; k < D; ++k) along += static_cast<double>(d[k]) * v[k];
    const double drop = normalize ? along / (factor * factor) : 0;
    if (to) {
      for (int64_t k = 0; k < D; ++k) to[k] = slope[r] == 0 ? T(0) : static_cast<T>(slope[r] * (d[k] - drop * v[k]));
    }
    return along;
  }

 private:
  double make_one(const T* x, T* to) const {
    double largest = 0, squares = 0;
    for (int64_t k = 0; normalize && k < D; ++k) largest = std::fabs(x[k]) > largest ? std::fabs(x[k]) : largest;
    for (int64_t k = 0; largest > 0 && k < D; ++k) squares += (x[k] / largest) * (x[k] / largest);
    const double root = std::sqrt(squares);
    for (int64_t k = 0; k < D; ++k) {
      to[k] = static_cast<T>(!normalize ? x[k] * factor : largest > 0 ? x[k] / largest * (factor / root) : x[k]);
    }
    return !normalize ? factor : largest > 0 ? factor / root / largest : 0;
  }
};

double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Of one direction: the rivals' largest similarities and sums against them.
template <class T>
struct Rivals {
  std::vector<T> largest;
  std::vector<double> sum;

  explicit Rivals(size_t n) : largest(n, -std::numeric_limits<T>::infinity()), sum(n, 0) {}

  // log of the odds against the positive, whose softplus is -log p.
  double log_odds(int64_t i, double own) const {
    if (sum[i] == 0) return own > -HUGE_VAL ? -HUGE_VAL : std::nan("");
    return std::log(sum[i]) + (largest[i] - own);
  }
};

struct Options {
  double temperature;
  bool symmetric, normalize;
  int64_t memory_budget;
};

template <class T>
Answer similarities(const Tensor& input, const Tensor& candidates, const MaybeTensor& positives,
                    const MaybeTensor& labels, const MaybeTensor& members, const Options& options, const Tail& tail,
                    int64_t wanted) {
  constexpr DType dtype = sizeof(T) == 8 ? float64 : float32;
  const ScalarType type = computed_in(dtype);
  const int64_t N = input.size(0), M = candidates.size(0), D = input.size(1);
  const Batch batch(N, M, positives, members);
  const auto n = static_cast<int64_t>(batch.rows.size()), m = static_cast<int64_t>(batch.columns.size());
  const auto data_of = [](const Tensor& x) { return static_cast<T*>(x.mutable_data_ptr()); };

  std::vector<double> weight(n);
  for (int64_t i = 0; i < n; ++i) weight[i] = weight_at(data(tail.row_weight), dtype, batch.rows[i]);
  const double divisor = tail.divisor(std::accumulate(weight.begin(), weight.end(), 0.0));
  const double scale = tail.scale(divisor) * (options.symmetric ? 0.5 : 1);

  std::vector<int64_t> label(labels.has_value() ? m : 0);
  for (size_t j = 0; j < label.size(); ++j) {
    label[j] = static_cast<const int64_t*>(data(labels))[batch.columns[j]];
  }

  Vectors<T> anchors(input, batch.rows, options.normalize, 1 / options.temperature);
  Vectors<T> others(candidates, batch.columns, options.normalize, 1);
  const Tensor y = empty({m, D}, type), across = transposed(y);
  others.make(0, m, data_of(y));

  // The budget is for all of it: a chunk's similarities and two vectors of each of its rows, beside y.
  const int64_t left = options.memory_budget - m * D * static_cast<int64_t>(sizeof(T));
  const int64_t most = std::max<int64_t>(left / ((m + 2 * D) * static_cast<int64_t>(sizeof(T))) / BLOCK, 1) * BLOCK;
  const int64_t chunks = (n + most - 1) / most, in_chunk = padded((n + chunks - 1) / std::max<int64_t>(chunks, 1));
  const Tensor buffer = fresh_matrix(in_chunk, m, y), features = empty({in_chunk, D}, type);

  Rivals<T> of_rows(n), of_columns(options.symmetric ? m : 0);
  std::vector<T> own(n), column_factor(of_columns.sum.size());
  std::vector<double> factor(n), own_gradient(n), losses(n);
  Similarities call{};
  call.x = buffer.mutable_data_ptr();
  call.columns = m;
  call.positive = batch.positive.data();
  call.label = label.empty() ? nullptr : label.data();
  call.own = own.data();
  call.largest = of_rows.largest.data();
  call.sum = of_rows.sum.data();
  call.column_largest = options.symmetric ? of_columns.largest.data() : nullptr;
  call.column_sum = of_columns.sum.data();
  call.factor = factor.data();
  call.column_factor = column_factor.data();
  call.own_gradient = own_gradient.data();

  const auto pass = [&](const Kernel<Similarities>& kernel, int64_t units, int64_t elements) {
    in_parallel(units, grain_of(elements), kernel.scratch(call),
                [&](int64_t begin, int64_t end, char* scratch) { kernel.of[dtype](call, begin, end, scratch); });
  };
  const auto make_chunk = [&](int64_t begin) {
    call.first = begin;
    call.rows = std::min(in_chunk, n - begin);
    const int64_t blocks = padded(call.rows);
    anchors.make(begin, call.rows, data_of(features));
    std::fill(data_of(features) + call.rows * D, data_of(features) + blocks * D, T(0));
    multiply(slice(buffer, 0, blocks), slice(features, 0, blocks), across);
  };

  const bool wants_input = wanted & 1, wants_candidates = wanted & 2, wants_temperature = wanted & 4;
  MaybeTensor input_gradient, candidates_gradient, sums, room;
  if (wants_input) input_gradient = fresh_matrix(N, D, y);
  if (wants_input && n < N) zero(*input_gradient);
  if (wants_input || wants_temperature) room = empty({in_chunk, D}, type);
  if (wants_candidates) {
    candidates_gradient = fresh_matrix(M, D, y);
    sums = m == M ? *candidates_gradient : empty({m, D}, type);
    if (m < M || !n) zero(*candidates_gradient);
  }
  std::vector<double> along(wants_temperature ? n : 0);  // of each row: the product of its vector and its gradient

  // Of a chunk whose similarities have become their gradient.
  const auto add_gradients = [&] {
    const int64_t blocks = padded(call.rows), begin = call.first;
    if (wants_candidates) {
      const Tensor turned = transposed(slice(buffer, 0, call.rows)), x = slice(features, 0, call.rows);
      begin ? multiply_and_add(*sums, *sums, turned, x) : multiply(*sums, turned, x);
    }
    if (!room.has_value()) return;
    multiply(slice(*room, 0, blocks), slice(buffer, 0, blocks), y);
    in_parallel(call.rows, grain_of(D), 0, [&](int64_t first, int64_t last, char*) {
      for (int64_t r = first; r < last; ++r) {
        T* const to = wants_input ? data_of(*input_gradient) + batch.rows[begin + r] * D : nullptr;
        const double here = anchors.gradient(begin + r, data_of(*room) + r * D, data_of(features) + r * D, to);
        if (wants_temperature) along[begin + r] = here;
      }
    });
  };
  // What follows from the rivals of rows [begin, end), and of their columns.
  const auto finish = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double odds = of_rows.log_odds(i, own[i]), slope = weight[i] * scale;
      losses[i] = softplus(odds);
      factor[i] = odds == -HUGE_VAL ? 0 : slope * sigmoid(odds) / of_rows.sum[i];
      own_gradient[i] = -slope * sigmoid(odds);
      if (!options.symmetric) continue;
      const double back = of_columns.log_odds(i, own[i]);
      losses[i] = 0.5 * (losses[i] + softplus(back));
      column_factor[i] = static_cast<T>(back == -HUGE_VAL ? 0 : slope * sigmoid(back) / of_columns.sum[i]);
      own_gradient[i] -= slope * sigmoid(back);
    }
  };

  // Both passes over a few rows at a time, which are in the cache yet.
  const auto rows_at_once = [&](int64_t first, int64_t last, char* scratch) {
    for (int64_t r = first; r < last; r += 4) {
      const int64_t end = std::min(r + 4, last);
      kernels().row_rivals.of[dtype](call, r, end, scratch);
      finish(call.first + r, call.first + end);
      if (wanted) kernels().similarity_gradients.of[dtype](call, r, end, scratch);
    }
  };

  for (int64_t begin = 0; begin < n; begin += in_chunk) {
    make_chunk(begin);
    if (options.symmetric) {
      pass(kernels().row_rivals, call.rows, m);
      pass(kernels().column_rivals, (m + Similarities::tile - 1) / Similarities::tile, call.rows * Similarities::tile);
    } else {
      in_parallel(call.rows, grain_of(m), kernels().row_rivals.scratch(call), rows_at_once);
      if (wanted) add_gradients();
    }
  }
  if (options.symmetric) {
    for (T& largest : of_columns.largest) largest = std::isinf(largest) && largest < 0 ? T(0) : largest;
    finish(0, n);
    for (int64_t begin = 0; wanted && begin < n; begin += in_chunk) {
      if (chunks > 1) make_chunk(begin);
      pass(kernels().similarity_gradients, call.rows, m);
      add_gradients();
    }
  }

  std::vector<Tensor> gradients;
  if (wants_input) gradients.push_back(*input_gradient);
  if (wants_candidates) {
    in_parallel(n ? m : 0, grain_of(D), 0, [&](int64_t first, int64_t last, char*) {
      for (int64_t j = first; j < last; ++j) {
        T* const to = data_of(*candidates_gradient) + batch.columns[j] * D;
        others.gradient(j, data_of(*sums) + j * D, data_of(y) + j * D, to);
      }
    });
    gradients.push_back(*candidates_gradient);
  }
  if (wants_temperature) {
    gradients.push_back(scalar(-std::accumulate(along.begin(), along.end(), 0.0) / options.temperature, type));
  }
  if (tail.reduction == none) {
    const Tensor values = empty({N}, type);
    zero(values);
    for (int64_t i = 0; i < n; ++i) data_of(values)[batch.rows[i]] = static_cast<T>(weight[i] * losses[i]);
    return {values, gradients};
  }
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += weight[i] * losses[i];
  return {scalar(divisor == 0 && total == 0 ? 0 : total / divisor, type), gradients};
}

// temperature: as a number, or learned, which has a gradient. members: the sample weight, which says what rows are in the
// batch; row_weight may be 0 of others. Half precision is computed in fp32.
Answer similarities_of(const Tensor& input, const Tensor& candidates, const MaybeTensor& temperature,
                       const MaybeTensor& positives, const MaybeTensor& labels, const MaybeTensor& members,
                       double fixed_temperature, bool symmetric, bool normalize, int64_t memory_budget,
                       const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                       const MaybeTensor& upstream, int64_t wanted) {
  const WithoutGradMode mode;
  const double given = temperature.has_value() ? value_of(*temperature) : fixed_temperature;
  const Options options{given > 0 && given < HUGE_VAL ? given : std::nan(""), symmetric, normalize, memory_budget};
  const Tail tail{row_weight, reduction, normalizer, upstream};
  if (dtype_of(input) == float64) {
    return similarities<double>(input, candidates, positives, labels, members, options, tail, wanted);
  }
  if (dtype_of(input) == float32) {
    return similarities<float>(input, candidates, positives, labels, members, options, tail, wanted);
  }
  auto [value, gradients] =
      similarities<float>(widened(input), widened(candidates), positives, labels, members, options, tail, wanted);
  const int64_t vectors = (wanted & 1) + (wanted >> 1 & 1);
  for (int64_t i = 0; i < vectors; ++i) gradients[i] = narrowed({gradients[i]}, input.scalar_type())[0];
  return {value, gradients};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("similarities", TORCH_BOX(&lossary::similarities_of)); }
