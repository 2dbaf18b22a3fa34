// Softmax of similarities along rows, and along columns over chunks of rows, with each row's positive apart.
//
// Shapes: as in api.h. The passes over a chunk, each in parallel over its units:
//
// 1. row_rivals, of rows: the positive is put aside, rivals that are none become -inf; the largest of a row and its sum.
// 2. column_rivals, of tiles of columns, after 1: the same of columns, block after block of rows, so that the sums of
//    all chunks are the same whatever the number of threads.
// 3. similarity_gradients, of rows: exponentials again, against both. The similarities may be made anew between.
#pragma once

#include "rows.h"

namespace {

using lossary::Similarities;

constexpr int64_t COLUMNS = Similarities::tile, ROWS = 32;  // of a block of pass 2

template <class T>
INLINED T or_zero(T largest) {
  return largest == -infinity<T> ? T(0) : largest;
}

// e^(x - inf), where an infinity is one of those that it is the largest of.
template <class T>
INLINED T beside_infinity(T x) {
  return x == infinity<T> ? T(1) : x != x ? x : T(0);
}

template <class T>
struct SimilarityKernel {
  const Similarities& call;
  const int64_t C = call.columns;
  T* const largest = static_cast<T*>(call.largest);
  T* const column_largest = static_cast<T*>(call.column_largest);

  T* row(int64_t r) const { return static_cast<T*>(call.x) + r * C; }

  void rivals(int64_t r, T* e) const {
    T* const x = row(r);
    const int64_t i = call.first + r, y = call.positive[i];
    static_cast<T*>(call.own)[i] = x[y];
    if (call.label) {
      const int64_t own = call.label[y];
      for (int64_t c = 0; c < C; ++c) x[c] = call.label[c] == own ? -infinity<T> : x[c];
    }
    x[y] = -infinity<T>;
    const T most = or_zero(maximum(x, C));
    double total = 0;
    for (int64_t c = 0; most == infinity<T> && c < C; ++c) total += beside_infinity(x[c]);
    for (int64_t k = 0; most < infinity<T> && k < C; k += TILE) {
      total += exponentials<T>(x + k, most, e, C - k < TILE ? C - k : TILE);
    }
    largest[i] = most;
    call.sum[i] = total;
  }

  void of_columns(int64_t k) const {
    const int64_t n = C - k < COLUMNS ? C - k : COLUMNS;
    T* const most = column_largest + k;
    double* const total = call.column_sum + k;
    T reference[COLUMNS], sums[COLUMNS];
    for (int64_t begin = 0; begin < call.rows; begin += ROWS) {
      const int64_t end = call.rows - begin < ROWS ? call.rows : begin + ROWS;
      for (int64_t j = 0; j < n; ++j) reference[j] = most[j];
      for (int64_t r = begin; r < end; ++r) {
        const T* const x = row(r) + k;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) reference[j] = x[j] > reference[j] ? x[j] : reference[j];
      }
      bool any_infinite = false;
      for (int64_t j = 0; j < n; ++j) {
        const T before = most[j];
        most[j] = reference[j];
        reference[j] = or_zero(reference[j]);
        if (before != most[j]) total[j] *= exp_of_nonpositive(before - reference[j]);
        sums[j] = 0;
        any_infinite |= reference[j] == infinity<T>;
      }
      for (int64_t r = begin; r < end; ++r) {
        const T* const x = row(r) + k;
        for (int64_t j = 0; any_infinite && j < n; ++j) {
          sums[j] += reference[j] == infinity<T> ? beside_infinity(x[j]) : exp_of_nonpositive(x[j] - reference[j]);
        }
        if (any_infinite) continue;
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) sums[j] += exp_of_nonpositive(x[j] - reference[j]);
      }
      for (int64_t j = 0; j < n; ++j) total[j] += sums[j];
    }
  }

  void gradient(int64_t r) const {
    T* const x = row(r);
    const int64_t i = call.first + r, y = call.positive[i];
    const T most = largest[i], factor = static_cast<T>(call.factor[i]);
    if (column_largest) {
      const T* const of_column = static_cast<const T*>(call.column_factor);
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        x[c] = exp_of_nonpositive(x[c] - most) * factor + exp_of_nonpositive(x[c] - column_largest[c]) * of_column[c];
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) x[c] = exp_of_nonpositive(x[c] - most) * factor;
    }
    if (call.label) {
      const int64_t own = call.label[y];
      for (int64_t c = 0; c < C; ++c) x[c] = call.label[c] == own ? T(0) : x[c];
    }
    x[y] = static_cast<T>(call.own_gradient[i]);
  }
};

template <class S>
void row_rivals(const Similarities& call, int64_t begin, int64_t end, char* scratch) {
  using T = typename Compute<S>::type;
  const SimilarityKernel<T> kernel{call};
  for (int64_t r = begin; r < end; ++r) kernel.rivals(r, reinterpret_cast<T*>(scratch));
}

inline size_t row_rivals_scratch(const Similarities&) { return TILE * sizeof(double); }

template <class S>
void column_rivals(const Similarities& call, int64_t begin, int64_t end, char*) {
  const SimilarityKernel<typename Compute<S>::type> kernel{call};
  for (int64_t tile = begin; tile < end; ++tile) kernel.of_columns(tile * COLUMNS);
}

inline size_t column_rivals_scratch(const Similarities&) { return 0; }

template <class S>
void similarity_gradients(const Similarities& call, int64_t begin, int64_t end, char*) {
  const SimilarityKernel<typename Compute<S>::type> kernel{call};
  for (int64_t r = begin; r < end; ++r) kernel.gradient(r);
}

inline size_t similarity_gradients_scratch(const Similarities&) { return 0; }

}  // namespace
