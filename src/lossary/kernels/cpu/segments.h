// As rows.h, where classes are not contiguous: logits (N, C, S), dimension 1 of images and sequences.
//
// A block of positions at a time, small enough that all its classes stay in the cache; vectors run over positions.
#pragma once

#include "rows.h"

namespace {

// x - largest, where inf - inf is 0.
template <class T>
INLINED T below(T x, T largest) {
  return x == largest ? T(0) : x - largest;
}

template <class S>
struct SegmentKernel {
  using T = typename Compute<S>::type;
  static constexpr bool in_place = sizeof(S) == sizeof(T);

  const Rows& call;
  const int64_t C = call.classes, B = call.rows_of_unit;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const row_weight = static_cast<const T*>(call.row_weight);
  const T smoothing = static_cast<T>(call.smoothing), gamma = static_cast<T>(call.gamma);
  const T scale = static_cast<T>(call.scale), share = smoothing / static_cast<T>(C);
  const T slack = T(4) * std::numeric_limits<T>::epsilon();

  // A thread's scratch: numbers of each position, and for half precision the exponentials of the block.
  T* const x_room;
  T* const t_room = x_room + B;
  T* const largest = t_room + B;
  T* const others = largest + B;
  T* const own = others + B;
  T* const own_e = own + B;
  T* const weight = own_e + B;
  T* const slope = weight + B;
  T* const distance = slope + B;
  T* const mass = distance + B;
  T* const label = mass + B;
  T* const e_room = label + B;

  static size_t scratch(int64_t classes, int64_t positions) { return sizeof(T) * positions * (11 + classes); }

  SegmentKernel(const Rows& c, char* scratch) : call(c), x_room(reinterpret_cast<T*>(scratch)) {}

  // The block of positions [first, first + n) of one image; `at` is where its logits of class 0 begin.
  double block(int64_t first, int64_t n, int64_t at) const {
    const S* const x = static_cast<const S*>(call.logits) + at;
    const S* const t = call.index ? nullptr : static_cast<const S*>(call.probabilities) + at;
    S* const g = call.gradient ? static_cast<S*>(call.gradient) + at : nullptr;
    begin(first, n);
    find_largest(x, n);
    add_exponentials(x, t, g, n);
    const double total = finish(first, n);
    if (g) write_gradient(t, g, n);
    return total;
  }

  T* exponentials_of(S* g, int64_t c) const {
    return in_place && g ? reinterpret_cast<T*>(g) + c * call.inner : e_room + c * B;
  }

  // Labels as numbers of the dtype of computation: vectors of one width. -1 for rows that do not count.
  void begin(int64_t first, int64_t n) const {
    for (int64_t b = 0; b < n; ++b) {
      const T w = row_weight ? row_weight[first + b] : T(1);
      const int64_t y = call.index ? call.index[first + b] : 0;
      const bool counts = w != 0 && !(call.index && y == call.ignore_index);
      label[b] = counts ? static_cast<T>(y) : T(-1);
      weight[b] = counts ? (w * (class_weight && call.index ? class_weight[y] : T(1))) : T(0);
      slope[b] = counts ? w : T(0);
      largest[b] = -infinity<T>;
      others[b] = own[b] = own_e[b] = distance[b] = mass[b] = T(0);
    }
  }

  void find_largest(const S* x, int64_t n) const {
    for (int64_t c = 0; c < C; ++c) {
      const T* const logits = read(x + c * call.inner, x_room, n);
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        largest[b] = logits[b] > largest[b] ? logits[b] : largest[b];
        own[b] = label[b] == static_cast<T>(c) ? logits[b] : own[b];
      }
    }
  }

  void add_exponentials(const S* x, const S* t, S* g, int64_t n) const {
    for (int64_t c = 0; c < C; ++c) {
      const T* const logits = read(x + c * call.inner, x_room, n);
      T* const e = exponentials_of(g, c);
      const T of_class = class_weight ? class_weight[c] : T(1), here = static_cast<T>(c);
      if (call.index && smoothing == 0) {
#pragma omp simd
        for (int64_t b = 0; b < n; ++b) {
          const T value = exp_of_nonpositive(below(logits[b], largest[b]));
          e[b] = value;
          const bool mine = label[b] == here;
          others[b] += mine ? T(0) : value;
          own_e[b] = mine ? value : own_e[b];
        }
        continue;
      }
      const T* const target = t ? read(t + c * call.inner, t_room, n) : nullptr;
      const T kept = T(1) - smoothing;
      if (target) check_probabilities(target, n);
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T value = exp_of_nonpositive(below(logits[b], largest[b]));
        e[b] = value;
        const bool mine = target ? false : label[b] == here;
        others[b] += mine ? T(0) : value;
        own_e[b] = mine ? value : own_e[b];
        const T w = of_class * (target ? target[b] * kept + share : T(1));
        distance[b] += times(w, -below(logits[b], largest[b]));
        mass[b] += w;
      }
    }
  }

  // Rows that do not count may hold anything.
  void check_probabilities(const T* target, int64_t n) const {
    T excess = 0;
#pragma omp simd reduction(max : excess)
    for (int64_t b = 0; b < n; ++b) {
      const T here = label[b] < 0 ? T(0) : excess_of_probability(target[b], slack);
      excess = here > excess ? here : excess;
    }
    if (excess > 0) call.outside[0] = 1;
  }

  // Values; `weight` and `slope` become the gradient's factors of the target and of the exponentials.
  double finish(int64_t first, int64_t n) const {
    const bool by_index = call.index != nullptr;
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) {
      const T sum = others[b] + own_e[b], total = sum > 0 ? sum : nan<T>;
      const T log_total = log_(total);
      const T nll = own[b] == largest[b] ? log1p_(others[b]) : log_total + (largest[b] - own[b]);
      const T row = slope[b], rest = others[b] / total;
      const Focal<T> f = gamma == 0 ? Focal<T>{nll, T(1)} : focal(nll, rest, gamma);
      const T soft = mass[b] == 0 ? distance[b] : mass[b] * log_total + distance[b];
      const T hard = total > 0 ? times(weight[b] * (T(1) - smoothing), f.value) : total;
      const T value = by_index ? hard + (smoothing > 0 ? row * share * soft : T(0)) : row * soft;
      x_room[b] = label[b] < 0 ? T(0) : value;
      const T own_slope = weight[b] * (T(1) - smoothing) * f.slope * scale, flat = row * share * scale;
      weight[b] = by_index ? (smoothing > 0 ? flat : T(0)) : row * scale;
      slope[b] = label[b] < 0 ? T(0) : (by_index ? own_slope + weight[b] * mass[b] : weight[b] * mass[b]) / total;
      own[b] = -own_slope * rest;  // and of smoothing, for the own class: w (mass p - class weight)
      own_e[b] = weight[b] * mass[b] * own_e[b] / total;
    }
    if (call.values) std::memcpy(static_cast<T*>(call.values) + first, x_room, n * sizeof(T));
    double total = 0;
    for (int64_t b = 0; b < n; ++b) total += x_room[b];
    return total;
  }

  void write_gradient(const S* t, S* g, int64_t n) const {
    for (int64_t c = 0; c < C; ++c) {
      T* const e = exponentials_of(g, c);
      const T of_class = class_weight ? class_weight[c] : T(1), here = static_cast<T>(c), kept = T(1) - smoothing;
      if (t) {
        const T* const target = read(t + c * call.inner, t_room, n);
#pragma omp simd
        for (int64_t b = 0; b < n; ++b) {
          const T y = e[b] * slope[b] - weight[b] * (of_class * (target[b] * kept + share));
          e[b] = label[b] < 0 ? T(0) : y;
        }
      } else if (smoothing > 0) {
#pragma omp simd
        for (int64_t b = 0; b < n; ++b) {
          const T y = label[b] == here ? own[b] + own_e[b] : e[b] * slope[b];
          e[b] = label[b] < 0 ? T(0) : y - weight[b] * of_class;
        }
      } else {
#pragma omp simd
        for (int64_t b = 0; b < n; ++b) {
          const T y = label[b] == here ? own[b] : e[b] * slope[b];
          e[b] = label[b] < 0 ? T(0) : y;
        }
      }
      if constexpr (!in_place) narrow_all(e, g + c * call.inner, n);
    }
  }
};

template <class S>
void segments(const Rows& call, int64_t begin, int64_t end, char* scratch) {
  const SegmentKernel<S> kernel(call, scratch);
  const int64_t B = call.rows_of_unit, blocks = (call.inner + B - 1) / B;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t image = unit / blocks, from = unit % blocks * B;
    const int64_t n = call.inner - from < B ? call.inner - from : B;
    call.sums[unit] = kernel.block(image * call.inner + from, n, image * call.inner * call.classes + from);
  }
}

}  // namespace
