// As rows.h, where classes are strided: dimension 1 of images and sequences.
//
// Shapes: logits, probabilities, gradient (N, C, S); class indices, row weights, values (N, S); class weights (C).
//
// A block of B positions of an image at a time; vectors run over positions. Its logits are gathered into scratch (C, B) that
// fits the second-level cache: strides of a power of 2 are common, and of such no cache holds many.
#pragma once

#include "rows.h"

#include <type_traits>

namespace {

// Calls use(c, 4 or 1) over all classes, unrolled by four: statistics are loaded and stored once for four classes.
template <class Use>
INLINED void by_fours(int64_t classes, Use use) {
  int64_t c = 0;
  for (; c + 4 <= classes; c += 4) use(c, std::integral_constant<int, 4>{});
  for (; c < classes; ++c) use(c, std::integral_constant<int, 1>{});
}

template <class S>
struct StridedRowKernel {
  using T = typename Compute<S>::type;
  using Index = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;  // as wide as T, to be compared beside it

  const Rows& call;
  const int64_t C = call.classes, B = call.rows_of_unit;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const row_weight = static_cast<const T*>(call.row_weight);
  const T smoothing = static_cast<T>(call.smoothing), kept = T(1) - smoothing, gamma = static_cast<T>(call.gamma);
  const T scale = static_cast<T>(call.scale), share = smoothing / static_cast<T>(C);

  // A thread's scratch: statistics (B) each, then logits, later exponentials, and targets of the block (C, B) each.
  T* const weight;  // of the row, times that of its target class
  T* const slope = weight + B;
  T* const largest = slope + B;
  T* const own = largest + B;
  T* const others = own + B;  // Σ e^(x - m) over the other classes, which keeps the digits of 1 - p
  T* const distance = others + B;
  T* const mass = distance + B;
  T* const values = mass + B;
  Index* const mine = reinterpret_cast<Index*>(values + B);  // the target class of each position, or -1
  T* const z_room = values + 2 * B;
  T* const t_room = z_room + C * B;

  static size_t scratch(int64_t classes, int64_t positions, bool by_index) {
    return sizeof(T) * positions * (9 + (by_index ? 1 : 2) * classes);
  }

  StridedRowKernel(const Rows& c, char* scratch) : call(c), weight(reinterpret_cast<T*>(scratch)) {}

  T class_weight_of(int64_t c) const { return class_weight ? class_weight[c] : T(1); }

  // The block of positions [first, first + n), which lie in one image from `from` on.
  double block(int64_t first, int64_t n, int64_t from) const {
    const int64_t at = (first - from) * C + from;  // offset of class 0 of the first position
    const S* const x = static_cast<const S*>(call.logits) + at;
    const int64_t* const y = call.index ? call.index + first : nullptr;
    S* const g = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + at : nullptr;
    weigh(y, first, n);
    read_logits(x, n);
    if (!y) read_targets(static_cast<const S*>(call.probabilities) + at, n);
    y && smoothing > 0 ? add_exponentials<true>(n) : add_exponentials<false>(n);
    gamma == 0 ? finish(n, [](T nll, T) { return Focal<T>{nll, T(1)}; })
               : finish(n, [&](T nll, T rest) { return focal(nll, rest, gamma); });
    if (g) write_gradient(y, g, n);
    if (call.values) std::memcpy(static_cast<T*>(call.values) + first, values, n * sizeof(T));
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t b = 0; b < n; ++b) total += static_cast<double>(values[b]);
    return total;
  }

  // `slope` is the weight of a row, 0 where it does not count; `weight` also that of its class.
  void weigh(const int64_t* y, int64_t first, int64_t n) const {
    for (int64_t b = 0; b < n; ++b) others[b] = distance[b] = mass[b] = T(0);
    for (int64_t b = 0; b < n; ++b) slope[b] = T(1);
    if (row_weight) std::memcpy(slope, row_weight + first, n * sizeof(T));
    if (y) {
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) slope[b] = y[b] == call.ignore_index ? T(0) : slope[b];
    }
    for (int64_t b = 0; b < n; ++b) mine[b] = !y || slope[b] == 0 ? Index(-1) : static_cast<Index>(y[b]);
    std::memcpy(weight, slope, n * sizeof(T));
    if (y && class_weight) {
      for (int64_t b = 0; b < n; ++b) weight[b] = slope[b] == 0 ? T(0) : slope[b] * class_weight[y[b]];
    }
  }

  void read_logits(const S* x, int64_t n) const {
    for (int64_t b = 0; b < n; ++b) largest[b] = own[b] = -infinity<T>;
    by_fours(C, [&](int64_t c, auto together) ALWAYS_INLINE {
      constexpr int K = decltype(together)::value;
      const int64_t inner = call.inner, room = B;
      const S* const from = x + c * inner;
      T* const z = z_room + c * room;
      const Index here = static_cast<Index>(c);
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        T most = largest[b], kept_own = own[b];
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const T logit = widen(from[k * inner + b]);
          z[k * room + b] = logit;
          most = logit > most ? logit : most;
          kept_own = mine[b] == here + k ? logit : kept_own;
        }
        largest[b] = most;
        own[b] = kept_own;
      }
    });
    for (int64_t b = 0; b < n; ++b) largest[b] = largest[b] == -infinity<T> ? T(0) : largest[b];
  }

  // Σ w (m - x) and Σ w over targets w, smoothed and weighted by class, where 0 * inf = 0.
  void read_targets(const S* t, int64_t n) const {
    T excess = 0;
    for (int64_t c = 0; c < C; ++c) {
      const S* const from = t + c * call.inner;
      const T* const z = z_room + c * B;
      T* const target = t_room + c * B;
      const T of_class = class_weight_of(c);
#pragma omp simd reduction(max : excess)
      for (int64_t b = 0; b < n; ++b) {
        const T plain = widen(from[b]), outside = excess_of_probability(plain);
        const T here = slope[b] == 0 ? T(0) : outside;  // rows that do not count may hold anything
        const T w = of_class * (plain * kept + share), product = w * below(z[b], largest[b]);
        excess = here > excess ? here : excess;
        target[b] = w;
        mass[b] += w;
        distance[b] -= w == 0 ? T(0) : product;  // a NaN shows in the exponentials
      }
    }
    if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
  }

  // Those of the other classes: the target's place holds 0. spreads: what smoothing spreads over all classes adds to
  // distance and mass.
  template <bool spreads>
  void add_exponentials(int64_t n) const {
    int infinite = 0;
#pragma omp simd reduction(| : infinite)
    for (int64_t b = 0; b < n; ++b) infinite |= largest[b] == infinity<T>;
    infinite ? add_exponentials<spreads>(n, below<T>)
             : add_exponentials<spreads>(n, [](T z, T m) ALWAYS_INLINE { return z - m; });
    if constexpr (!spreads) return;
    T whole = 0;
    for (int64_t c = 0; c < C; ++c) whole += class_weight_of(c);
    std::fill(mass, mass + n, whole);
  }

  template <bool spreads, class Shift>
  INLINED void add_exponentials(int64_t n, Shift shift) const {
    by_fours(C, [&](int64_t c, auto together) ALWAYS_INLINE {
      constexpr int K = decltype(together)::value;
      const int64_t room = B;
      const Index here = static_cast<Index>(c);
      T* const e = z_room + c * room;
      T of_class[K];
      for (int k = 0; k < K; ++k) of_class[k] = class_weight_of(c + k);
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        T sum = others[b], spread = 0;
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const T down = shift(e[k * room + b], largest[b]), any = exp_of_nonpositive(down, S{});
          const T value = mine[b] == here + k ? T(0) : any;
          e[k * room + b] = value;
          sum += value;
          if constexpr (spreads) spread += select(of_class[k] == 0, T(0), of_class[k] * down);
        }
        others[b] = sum;
        if constexpr (spreads) distance[b] -= spread;
      }
    });
  }

  // Values; `slope` and `weight` become the gradient's factors of exponentials and targets, `own` the gradient of the
  // target class.
  template <class OfIndex>
  void finish(int64_t n, OfIndex of_index) const {
    const T hard_share = call.index ? kept : T(0), soft_share = call.index ? share : T(1);
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) {
      const bool leads = own[b] == largest[b];
      const T row = slope[b], own_e = exp_of_nonpositive(below(own[b], largest[b]));
      const T sum = others[b] + own_e, total = sum > 0 ? sum : nan<T>;  // nothing but -inf, or a NaN
      const T log_total = log_(total), inverse = T(1) / total, rest = others[b] * inverse;
      const T lost = others[b] - (total - T(1));  // in the rounding of 1 + others
      const T nll = log_total + (leads ? lost * inverse : largest[b] - own[b]);
      const Focal<T> f = of_index(nll, rest);
      const T own_weight = weight[b] * hard_share, flat = row * soft_share, entropy = mass[b] * log_total;
      const T soft = flat * ((mass[b] == 0 ? T(0) : entropy) + distance[b]);
      const T value = times(own_weight, f.value) + (flat == 0 ? T(0) : soft) + T(0) * total;
      const T own_slope = own_weight * f.slope * scale, all = flat * scale * mass[b];
      const T factor = (own_slope + all) * inverse, own_factor = all * own_e * inverse - own_slope * rest;
      values[b] = row == 0 ? T(0) : value;
      slope[b] = row == 0 ? T(0) : factor;
      own[b] = row == 0 ? T(0) : own_factor;
      weight[b] = flat * scale;
    }
  }

  void write_gradient(const int64_t* y, S* g, int64_t n) const {
    for (int64_t c = 0; c < C; ++c) {
      const Index here = static_cast<Index>(c);
      const T* const e = z_room + c * B;
      const T* const target = t_room + c * B;
      const T of_class = class_weight_of(c);
      const auto each = [&](auto less) ALWAYS_INLINE {
        const T *const factor = slope, *const of_own = own;
        const Index* const classes = mine;
        write(g + c * call.inner, n, call.non_temporal, [=](int64_t b) ALWAYS_INLINE {
          const T row = factor[b], own_gradient = of_own[b], product = e[b] * row;
          const T all = (classes[b] == here ? own_gradient : product) - less(b);
          return row == 0 ? T(0) : all;
        });
      };
      if (!y) {
        each([&](int64_t b) ALWAYS_INLINE { return weight[b] * target[b]; });
      } else if (smoothing > 0) {
        each([&](int64_t b) ALWAYS_INLINE { return weight[b] * of_class; });
      } else {
        each([](int64_t) ALWAYS_INLINE { return T(0); });
      }
    }
  }
};

template <class S>
void strided_rows(const Rows& call, int64_t begin, int64_t end, char* scratch) {
  const StridedRowKernel<S> kernel(call, scratch);
  for_units(call, call.inner, begin, end,
            [&](int64_t first, int64_t n, int64_t from) { return kernel.block(first, n, from); });
}

template <class S>
void softmax_rows(const Rows& call, int64_t begin, int64_t end, char* scratch) {
  (call.inner == 1 ? rows<S> : strided_rows<S>)(call, begin, end, scratch);
}

inline size_t softmax_rows_scratch(const Rows& call) {
  return call.inner == 1 ? RowKernel<double>::scratch(call.classes)
                         : StridedRowKernel<double>::scratch(call.classes, call.rows_of_unit, call.index != nullptr);
}

}  // namespace
