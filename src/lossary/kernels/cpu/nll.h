// Negative log-likelihood of log-probabilities: a gather, whose gradient is 0 but at the target class.
//
// Shapes: log-probabilities, gradient (N, C, S); class indices, row weights, values (N, S); class weights (C).
#pragma once

#include "units.h"

namespace {

using lossary::Rows;

template <class S>
double nll_of_unit(const Rows& call, int64_t first, int64_t n, int64_t from) {
  using T = typename Compute<S>::type;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const row_weight = static_cast<const T*>(call.row_weight);
  const int64_t step = call.inner, next = step == 1 ? call.classes : 1;  // strides of classes and of rows
  const int64_t at = step == 1 ? first * call.classes : (first - from) * call.classes + from;  // of the first class 0
  const S* const x = static_cast<const S*>(call.logits) + at;
  S* const g = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + at : nullptr;
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
  for_units(call, call.inner == 1 ? call.rows : call.inner, begin, end,
            [&](int64_t first, int64_t n, int64_t from) { return nll_of_unit<S>(call, first, n, from); });
}

inline size_t nll_scratch(const Rows&) { return 0; }

}  // namespace
