// Rows of logits that are soft-capped and divided by a temperature first: their cross-entropy, with z-loss and with
// sparse targets, and their log-probabilities, entropies and log-sum-exps.
//
// Shapes: logits x, probabilities, gradient (N, C); class indices and shares of sparse targets (N, K); row weights and
// values (N); class weights (C).
//
// 1. y = softcap tanh(x / softcap) / temperature, a row at a time, in the thread's scratch.
// 2. e = exp(y - max y). One class of the largest logit is left out of the sum: log(1 + others) and 1 - p keep their
//    digits.
// 3. The loss and its gradient with respect to y, over e.
// 4. The gradient with respect to x, by the derivative of 1.
#pragma once

#include "rows.h"

namespace {

using lossary::LogProb;
using lossary::TransformedRows;
using lossary::LogitTransform;

// tanh: near 0 its series, where 1 - e^-2x would lose digits.
INLINED float tanh_(float x) {
  const float size = x < 0 ? -x : x, t = exp_of_nonpositive(-2.0f * size), z = x * x;
  float q = -8.863235530e-3f;
  q = q * z + 2.186948854e-2f;
  q = q * z - 5.396825397e-2f;
  q = q * z + 1.333333333e-1f;
  q = q * z - 3.333333333e-1f;
  const float near = size + size * (z * q), far = (1.0f - t) / (1.0f + t);
  const float y = select(size < 0.3f, near, far);
  return x < 0 ? -y : y;
}

INLINED double tanh_(double x) { return std::tanh(x); }

template <class S>
struct TransformedRow {
  using T = typename Compute<S>::type;

  const int64_t C, tiles = (C + TILE - 1) / TILE;
  const T cap, sharpness;
  T* const y;  // transformed logits
  T* const e;  // their exponentials, against the largest

  T largest = 0;
  int64_t best = 0;                // the first class of it
  double others = 0, total = 0;    // sums of exponentials, without that class and with it
  double log_total = 0, lse = 0;

  TransformedRow(int64_t classes, const LogitTransform& transform, char* room)
      : C(classes), cap(static_cast<T>(transform.softcap)), sharpness(static_cast<T>(1 / transform.temperature)),
        y(reinterpret_cast<T*>(room)), e(y + classes) {}

  int64_t size(int64_t begin) const { return C - begin < TILE ? C - begin : TILE; }

  void load(const S* x) {
    largest = -infinity<T>;
    best = 0;
    const T cap_ = cap, inverse = T(1) / cap, scale = cap * sharpness, sharpness_ = sharpness;
    for (int64_t k = 0; k < C; k += TILE) {
      const int64_t n = size(k);
      T* const to = y + k;
      const S* const from = x + k;
      if (cap_ > 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) to[i] = tanh_(widen(from[i]) * inverse) * scale;
      } else {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) to[i] = widen(from[i]) * sharpness_;
      }
      const T here = maximum(to, n);
      if (!(here > largest)) continue;
      largest = here;
      for (best = k; y[best] != here;) ++best;
    }
    others = 0;
    for (int64_t k = 0; k < C; k += TILE) {
      const int64_t n = size(k);
      const T sum_of_tile = exponentials<T>(y + k, largest == -infinity<T> ? T(0) : largest, e + k, n);
      const bool here = best >= k && best < k + n;
      others += here ? sum(e + k, best - k) + sum(e + best + 1, k + n - best - 1) : sum_of_tile;
    }
    total = others + e[best];
    if (!(total > 0)) total = others = nan<double>;  // nothing but -inf, or a NaN
    log_total = std::log1p(others) + 0 * total;
    lse = log_total + largest;
  }

  // A logit less the largest; inf - inf is 0.
  T below_largest(int64_t c) const { return below(y[c], largest); }

  // The gradient with respect to x, from that with respect to y, which lies in e; g may be x.
  // 1 - tanh^2 from an exponential: where the cap is reached nothing of it would be left of the difference.
  void write_gradient(const S* x, S* g) const {
    const T inverse = T(1) / cap, sharpness_ = sharpness;
    const T* const slope = e;
    if (cap > 0) {
#pragma omp simd
      for (int64_t i = 0; i < C; ++i) {
        const T u = widen(x[i]) * inverse, size = u < 0 ? -u : u, t = exp_of_nonpositive(T(-2) * size);
        g[i] = narrow(slope[i] * (T(4) * t / ((T(1) + t) * (T(1) + t)) * sharpness_), S{});
      }
    } else {
#pragma omp simd
      for (int64_t i = 0; i < C; ++i) g[i] = narrow(slope[i] * sharpness_, S{});
    }
  }
};

template <class S>
struct TransformedRowsKernel {
  using T = typename Compute<S>::type;

  const TransformedRows& call;
  TransformedRow<S> row;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const shares = static_cast<const T*>(call.shares);
  const T kept = static_cast<T>(1 - call.smoothing), share = static_cast<T>(call.smoothing / call.classes);

  TransformedRowsKernel(const TransformedRows& c, char* scratch) : call(c), row(c.classes, c.transform, scratch) {}

  T weight_of(int64_t c) const { return class_weight ? class_weight[c] : T(1); }
  const S* probabilities(int64_t r) const {
    return call.probabilities ? static_cast<const S*>(call.probabilities) + r * call.classes : nullptr;
  }

  // The k-th class c of row r's sparse target and its weight, 0 where it is ignored.
  T picked(int64_t r, int64_t k, int64_t& c) const {
    const int64_t at = r * call.picks + k;
    c = call.index[at];
    if (c == call.ignore_index) return T(0);
    return (shares ? shares[at] : T(1)) * kept * weight_of(c);
  }

  bool counts(int64_t r) const {
    if (call.row_weight && static_cast<const T*>(call.row_weight)[r] == 0) return false;
    bool some = !call.index;
    for (int64_t k = 0; call.index && k < call.picks; ++k) some |= call.index[r * call.picks + k] != call.ignore_index;
    return some;
  }

  double of_row(int64_t r) {
    S* const g = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + r * call.classes : nullptr;
    double value = 0;
    if (!counts(r)) {
      if (g) std::memset(static_cast<void*>(g), 0, call.classes * sizeof(S));
    } else {
      const T weight = call.row_weight ? static_cast<const T*>(call.row_weight)[r] : T(1);
      row.load(static_cast<const S*>(call.logits) + r * call.classes);
      double mass = 0, distance = 0;
      const S* const t = probabilities(r);
      if (t || call.smoothing > 0) add_all(t, mass, distance);
      for (int64_t k = 0, c; call.index && k < call.picks; ++k) {
        const T q = picked(r, k, c);
        if (shares && excess_of_probability(shares[r * call.picks + k]) > 0) {
          call.outside->store(true, std::memory_order_relaxed);
        }
        if (q == 0) continue;
        mass += q;
        distance -= static_cast<double>(q) * row.below_largest(c);
      }
      value = (mass == 0 ? 0 : mass * row.log_total) + distance + 0 * row.total;
      if (call.z_loss > 0) value += call.z_loss * row.lse * row.lse;
      value *= weight;
      if (g) {
        gradient(r, t, weight * call.scale, mass);
        row.write_gradient(static_cast<const S*>(call.logits) + r * call.classes, g);
      }
    }
    if (call.values) static_cast<T*>(call.values)[r] = static_cast<T>(value);
    return value;
  }

  // What the targets of all classes add to Σ q and Σ q (m - y), q being smoothed and weighted; 0 * inf = 0.
  void add_all(const S* t, double& mass, double& distance) const {
    for (int64_t k = 0; k < call.classes; k += TILE) {
      const int64_t n = row.size(k);
      const T* const y = row.y + k;
      T m = 0, d = 0, excess = 0;
      for_targets(t, k, [&](auto target) ALWAYS_INLINE {
        const T largest = row.largest;
#pragma omp simd reduction(+ : m, d) reduction(max : excess)
        for (int64_t i = 0; i < n; ++i) {
          const Target<T> q = target(i);
          const T product = q.weight * below(y[i], largest);
          m += q.weight;
          d -= q.weight == 0 ? T(0) : product;
          excess = q.excess > excess ? q.excess : excess;
        }
      });
      mass += m;
      distance += d;
      if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
    }
  }

  template <class Use>
  INLINED void for_targets(const S* t, int64_t k, Use use) const {
    with_targets(t ? t + k : nullptr, class_weight ? class_weight + k : nullptr, share, kept, share, use);
  }

  // scale * ((mass + 2 z lse) p - q) over the exponentials.
  void gradient(int64_t r, const S* t, double scale, double mass) {
    const double pull = call.z_loss > 0 ? 2 * call.z_loss * row.lse : 0;
    const T factor = static_cast<T>(scale * (mass + pull) / row.total), flat = static_cast<T>(scale);
    double of_best = 0;
    for (int64_t k = 0; k < call.classes; k += TILE) {
      const int64_t n = row.size(k);
      T* const e = row.e + k;
      if (!t && call.smoothing == 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) e[i] *= factor;
        continue;
      }
      for_targets(t, k, [&](auto target) ALWAYS_INLINE {
        if (row.best >= k && row.best < k + n) of_best = target(row.best - k).weight;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) e[i] = e[i] * factor - flat * target(i).weight;
      });
    }
    for (int64_t k = 0, c; call.index && k < call.picks; ++k) {
      const T q = picked(r, k, c);
      if (q == 0) continue;
      if (c == row.best) {
        of_best += q;
      } else {
        row.e[c] -= flat * q;
      }
    }
    const double missed = row.others / row.total;  // 1 - p
    row.e[row.best] = static_cast<T>(scale * ((mass - of_best) - mass * missed + pull * (1 - missed)));
  }
};

template <class S>
struct LogProbKernel {
  using T = typename Compute<S>::type;

  const LogProb& call;
  TransformedRow<S> row;

  LogProbKernel(const LogProb& c, char* scratch) : call(c), row(c.classes, c.transform, scratch) {}

  void of_row(int64_t r) {
    const int64_t y = call.index[r];
    S* const g = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + r * call.classes : nullptr;
    if (y == call.ignore_index) {
      if (g) std::memset(static_cast<void*>(g), 0, call.classes * sizeof(S));
      return answer(r, 0, 0, 0, -1);
    }
    row.load(static_cast<const S*>(call.logits) + r * call.classes);
    double spread = 0;  // Σ e (m - y)
    for (int64_t k = 0; k < call.classes; k += TILE) spread += spread_of_tile(k);
    const double entropy = row.log_total + spread / row.total;
    answer(r, static_cast<double>(row.below_largest(y)) - row.log_total, entropy, row.lse, row.best);
    if (g) {
      gradient(y, upstream(0, r), upstream(1, r), upstream(2, r), entropy);
      row.write_gradient(static_cast<const S*>(call.logits) + r * call.classes, g);
    }
  }

  double spread_of_tile(int64_t k) const {
    const int64_t n = row.size(k);
    const T* const y = row.y + k;
    const T* const e = row.e + k;
    const T largest = row.largest;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) {
      const T product = e[i] * below(y[i], largest);
      sum -= e[i] == 0 ? T(0) : product;
    }
    return sum;
  }

  void answer(int64_t r, double log_prob, double entropy, double lse, int64_t predicted) const {
    const double found[] = {log_prob, entropy, lse};
    for (int i = 0; i < 3; ++i) {
      if (call.outputs[i]) static_cast<T*>(call.outputs[i])[r] = static_cast<T>(found[i]);
    }
    if (call.predicted) call.predicted[r] = predicted;
  }

  double upstream(int i, int64_t r) const {
    return call.upstream[i] ? static_cast<double>(static_cast<const T*>(call.upstream[i])[r]) : 0;
  }

  // a (1[c = y] - p) - b p (log p + H) + c p, where log p = (y - m) - log(total)
  void gradient(int64_t y, double a, double b, double c, double entropy) {
    const T factor = static_cast<T>((c - a - b * (entropy - row.log_total)) / row.total);
    const T steepness = static_cast<T>(-b / row.total), largest = row.largest;
    T* const e = row.e;
    const T* const logits = row.y;
#pragma omp simd
    for (int64_t i = 0; i < call.classes; ++i) {
      const T product = e[i] * (factor + steepness * below(logits[i], largest));
      e[i] = e[i] == 0 ? T(0) : product;
    }
    if (y != row.best) {
      e[y] += static_cast<T>(a);
    } else {  // a (1 - p) from the others
      const double missed = row.others / row.total, p = 1 - missed;
      e[y] = static_cast<T>(a * missed + p * (c - b * (entropy - row.log_total)));
    }
  }
};

template <class S>
void transformed_rows(const TransformedRows& call, int64_t begin, int64_t end, char* scratch) {
  TransformedRowsKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t r) { return kernel.of_row(r); });
}

inline size_t transformed_rows_scratch(const TransformedRows& call) { return 2 * sizeof(double) * call.classes; }

template <class S>
void log_probs(const LogProb& call, int64_t begin, int64_t end, char* scratch) {
  LogProbKernel<S> kernel(call, scratch);
  for (int64_t r = begin; r < end; ++r) kernel.of_row(r);
}

inline size_t log_probs_scratch(const LogProb& call) { return 2 * sizeof(double) * call.classes; }

}  // namespace
