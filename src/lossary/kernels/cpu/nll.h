// Negative log-likelihood of log-probabilities: one number is read of each row, and the gradient is 0 but for one.
#pragma once

#include "api.h"
#include "storage.h"

namespace {

using lossary::Rows;

// The rows of a unit lie in one image; `at` is where their class 0 begins, `step` the way from class to class.
template <class S>
double nll_of_unit(const Rows& call, int64_t first, int64_t n, int64_t at, int64_t step) {
  using T = typename Compute<S>::type;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const row_weight = static_cast<const T*>(call.row_weight);
  const S* const x = static_cast<const S*>(call.logits) + at;
  const int64_t next = step == 1 ? call.classes : 1;  // the way from row to row
  S* const g = call.gradient ? static_cast<S*>(call.gradient) + at : nullptr;
  if (g && step == 1) std::memset(g, 0, n * call.classes * sizeof(S));
  if (g && step != 1) {
    for (int64_t c = 0; c < call.classes; ++c) std::memset(g + c * step, 0, n * sizeof(S));
  }
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t y = call.index[first + i];
    T weight = row_weight ? row_weight[first + i] : T(1), value = 0;
    if (weight != 0 && y != call.ignore_index) {
      const int64_t own = i * next + y * step;
      if (class_weight) weight *= class_weight[y];
      value = times(weight, -widen(x[own]));
      if (g) g[own] = narrow(static_cast<T>(-weight * call.scale), S{});
    }
    if (call.values) static_cast<T*>(call.values)[first + i] = value;
    total += value;
  }
  return total;
}

template <class S>
void nll(const Rows& call, int64_t begin, int64_t end, char*) {
  const int64_t inner = call.inner == 1 ? call.rows : call.inner;  // rows of one image
  const int64_t n = call.rows_of_unit, units = (inner + n - 1) / n;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t image = unit / units, from = unit % units * n, first = image * inner + from;
    const int64_t rows = inner - from < n ? inner - from : n;
    const int64_t at = call.inner == 1 ? first * call.classes : image * inner * call.classes + from;
    call.sums[unit] = nll_of_unit<S>(call, first, rows, at, call.inner);
  }
}

}  // namespace
