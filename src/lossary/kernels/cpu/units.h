// The loop over units of work that kernels share.
#pragma once

#include "api.h"
#include "storage.h"

namespace {

// of_unit(first, n, from): the sum over rows [first, first + n), which lie in one image of `inner` rows from `from` on.
template <class OfUnit>
INLINED void for_units(const lossary::Loss& call, int64_t inner, int64_t begin, int64_t end, OfUnit of_unit) {
  const int64_t units = (inner + call.rows_of_unit - 1) / call.rows_of_unit;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t from = unit % units * call.rows_of_unit, left = inner - from;
    const int64_t n = left < call.rows_of_unit ? left : call.rows_of_unit;
    call.sums[unit] = of_unit(unit / units * inner + from, n, from);
  }
  finish_writing();
}

// of_row(r): the value of a row.
template <class OfRow>
INLINED void for_rows(const lossary::Loss& call, int64_t begin, int64_t end, OfRow of_row) {
  for_units(call, call.rows, begin, end, [&](int64_t first, int64_t n, int64_t) {
    double total = 0;
    for (int64_t r = first; r < first + n; ++r) total += of_row(r);
    return total;
  });
}

template <class T>
INLINED T larger(T a, T b) {
  return a > b ? a : b;
}

// By halves: equal values add up exactly, and others with the error of a tree. n is a multiple of 32.
template <class T>
inline double sum_of_block(T* x, int64_t n) {
  while (n > 32) {
    const int64_t half = (n / 2 + 31) / 32 * 32, pairs = n - half;
#pragma omp simd
    for (int64_t i = 0; i < pairs; ++i) x[i] += x[i + half];
    n = half;
  }
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

}  // namespace
