// Overlap of masks.
//
// Shapes: scores, masks, gradient (N, C, M); class indices, pixel weights (N, M); partial sums (units, C, 3); slopes
// (N, C, 2).
//
// A block of B pixels of one sample at a time; vectors run over pixels. The gradient needs the sums of all blocks first, and
// reads the scores again: samples that fit the caches are read from there.
#pragma once

#include "rows.h"

#include <type_traits>

namespace {

template <class S>
struct OverlapKernel {
  using T = typename Compute<S>::type;
  using Index = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;  // as wide as T, to be compared beside it

  const lossary::Overlap& call;
  const int64_t C = call.classes, B = call.rows_of_unit;

  // A thread's scratch: numbers of each pixel (B), then exponentials and products of the block (C, B).
  T* const weight;  // 0 where a pixel does not count, whatever it holds
  T* const p = weight + B;
  T* const q = p + B;  // 1 - p, with all its digits
  T* const t = q + B;
  T* const largest = t + B;  // of a pixel's scores; later Σ p_c ∂ℓ/∂p_c
  T* const total = largest + B;  // Σ e^(x - m)
  T* const inverse = total + B;
  T* const rest = inverse + B;  // Σ without a largest term, which is 1
  Index* const mine = reinterpret_cast<Index*>(rest + B);  // the class of each pixel, or -1
  T* const e_room = rest + 2 * B;
  T* const product_room = e_room + C * B;

  static size_t scratch(int64_t classes, int64_t pixels) { return sizeof(T) * pixels * (9 + 2 * classes); }

  OverlapKernel(const lossary::Overlap& c, char* scratch) : call(c), weight(reinterpret_cast<T*>(scratch)) {}

  // Pixels [from, from + n) of a sample.
  struct Block {
    int64_t sample, from, n;
  };

  const S* of_class(const void* x, const Block& at, int64_t c) const {
    return static_cast<const S*>(x) + (at.sample * C + c) * call.inner + at.from;
  }

  // What both passes begin with.
  void start(const Block& at) const {
    const int64_t first = at.sample * call.inner + at.from;
    if (call.pixel_weight) {
      std::memcpy(weight, static_cast<const T*>(call.pixel_weight) + first, at.n * sizeof(T));
    } else {
      std::fill(weight, weight + at.n, T(1));
    }
    if (call.index) choose(call.index + first, at.n);
    if (call.activation == lossary::Overlap::softmax) exponentiate(at);
  }

  void choose(const int64_t* y, int64_t n) const {
    int wrong = 0;
    for (int64_t b = 0; b < n; ++b) {
      weight[b] = y[b] == call.ignore_index ? T(0) : weight[b];
      wrong |= (weight[b] != 0) & (static_cast<uint64_t>(y[b]) >= static_cast<uint64_t>(C));
      mine[b] = weight[b] == 0 ? Index(-1) : static_cast<Index>(y[b]);
    }
    if (wrong) call.outside->store(true, std::memory_order_relaxed);
  }

  void exponentiate(const Block& at) const {
    const int64_t n = at.n;
    for (int64_t b = 0; b < n; ++b) largest[b] = -infinity<T>;
    for (int64_t c = 0; c < C; ++c) {
      const S* const x = of_class(call.input, at, c);
      T* const z = e_room + c * B;
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T score = widen(x[b]), here = weight[b] == 0 ? T(0) : score;
        z[b] = here;
        largest[b] = here > largest[b] ? here : largest[b];
      }
    }
    for (int64_t b = 0; b < n; ++b) {
      largest[b] = largest[b] == -infinity<T> ? T(0) : largest[b];
      rest[b] = T(-1);
      total[b] = T(0);
    }
    for (int64_t c = 0; c < C; ++c) {
      T* const e = e_room + c * B;
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T power = exp_of_nonpositive(below(e[b], largest[b]), S{});
        e[b] = power;
        total[b] += power == 1 ? T(0) : power;
        rest[b] += power == 1 ? T(1) : T(0);
      }
    }
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) {
      const T small = total[b], whole = small + (rest[b] + T(1));
      rest[b] += small;
      total[b] = whole;
      inverse[b] = whole > 0 ? T(1) / whole : nan<T>;  // nothing but -inf, or a NaN
    }
  }

  // p and q of a class.
  void predict(const Block& at, int64_t c) const {
    const int64_t n = at.n;
    const S* const x = of_class(call.input, at, c);
    if (call.activation == lossary::Overlap::softmax) {
      const T* const e = e_room + c * B;
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        p[b] = e[b] * inverse[b];
        q[b] = (e[b] == 1 ? rest[b] : total[b] - e[b]) * inverse[b];
      }
    } else if (call.activation == lossary::Overlap::sigmoid) {
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T score = widen(x[b]), z = weight[b] == 0 ? T(0) : score;
        const T e = exp_of_nonpositive(z > 0 ? -z : z), larger = T(1) / (T(1) + e), smaller = e * larger;
        p[b] = z < 0 ? smaller : larger;
        q[b] = z < 0 ? larger : smaller;
      }
    } else {
      T excess = 0;
#pragma omp simd reduction(max : excess)
      for (int64_t b = 0; b < n; ++b) {
        const T score = widen(x[b]), here = weight[b] == 0 ? T(0) : score, outside = excess_of_probability(here);
        excess = outside > excess ? outside : excess;
        p[b] = here;
        q[b] = T(1) - here;
      }
      if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
    }
  }

  // t of a class.
  void aim(const Block& at, int64_t c) const {
    if (call.index) {
      const Index here = static_cast<Index>(c);
#pragma omp simd
      for (int64_t b = 0; b < at.n; ++b) t[b] = mine[b] == here ? T(1) : T(0);
      return;
    }
    const S* const mask = of_class(call.masks, at, c);
    T excess = 0;
#pragma omp simd reduction(max : excess)
    for (int64_t b = 0; b < at.n; ++b) {
      const T given = widen(mask[b]), here = weight[b] == 0 ? T(0) : given, outside = excess_of_probability(here);
      excess = outside > excess ? outside : excess;
      t[b] = here;
    }
    if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
  }

  // t - p, of the smaller two of t, p, 1 - t and 1 - p.
  INLINED T error(int64_t b) const { return t[b] > T(0.5) ? q[b] - (T(1) - t[b]) : t[b] - p[b]; }

  // How much of the derivative is that of p < t: between equals a half, at the ends of [0, 1] there is one side alone.
  INLINED static T side(T d, T t) {
    const T inside = d > 0 ? T(1) : (d < 0 ? T(0) : T(0.5));
    return t >= 1 ? T(1) : (t <= 0 ? T(0) : inside);
  }

  // part(b, three sums): in the dtype of computation for a few vectors, then in fp64.
  template <class Part>
  INLINED static void add(int64_t n, double* sums, Part part) {
    constexpr int64_t few = 256;
    for (int64_t from = 0; from < n; from += few) {
      const int64_t to = from + few < n ? from + few : n;
      T first = 0, second = 0, third = 0;
#pragma omp simd reduction(+ : first, second, third)
      for (int64_t b = from; b < to; ++b) part(b, first, second, third);
      sums[0] += static_cast<double>(first);
      sums[1] += static_cast<double>(second);
      sums[2] += static_cast<double>(third);
    }
  }

  void add_up(const Block& at, double* sums) const {
    std::fill(sums, sums + C * call.sums_of_class, 0.0);
    if (!call.counts[at.sample]) return;
    start(at);
    for (int64_t c = 0; c < C; ++c, sums += call.sums_of_class) {
      predict(at, c);
      aim(at, c);
      if (call.squared) {
        add(at.n, sums, [&](int64_t b, T& wrong, T& squares, T& mask) ALWAYS_INLINE {
          const T d = error(b);
          wrong += weight[b] * (d * d);
          squares += weight[b] * (p[b] * p[b] + t[b] * t[b]);
          mask += weight[b] * t[b];
        });
      } else if (call.minimum) {
        add(at.n, sums, [&](int64_t b, T& both, T& predicted, T& missed) ALWAYS_INLINE {
          const T d = error(b), under = side(d, t[b]);
          both += weight[b] * (under * p[b] + (T(1) - under) * t[b]);
          predicted += weight[b] * ((under - T(1)) * d);
          missed += weight[b] * (under * d);
        });
      } else {
        add(at.n, sums, [&](int64_t b, T& both, T& predicted, T& missed) ALWAYS_INLINE {
          const T of_pixel = weight[b] * p[b];
          both += of_pixel * t[b];
          predicted += of_pixel * (T(1) - t[b]);
          missed += weight[b] * q[b] * t[b];
        });
      }
    }
  }

  // slope(b): ∂ℓ/∂p. Calls use with it, in the form that the call asks for.
  template <class Use>
  INLINED void with_slope(const double* slopes, Use use) const {
    const T first = static_cast<T>(slopes[0]), second = static_cast<T>(slopes[1]), gap = second - first;
    if (call.squared) {
      use([&](int64_t b) ALWAYS_INLINE { return weight[b] * (first * p[b] + second * t[b]); });
    } else if (call.minimum) {
      use([&](int64_t b) ALWAYS_INLINE { return weight[b] * (first + side(error(b), t[b]) * gap); });
    } else {
      use([&](int64_t b) ALWAYS_INLINE { return weight[b] * (first + t[b] * gap); });
    }
  }

  void differentiate(const Block& at, const double* slopes) const {
    S* const g = static_cast<S*>(call.gradients[0]) + at.sample * C * call.inner + at.from;
    const int64_t n = at.n;
    if (!call.counts[at.sample]) {
      for (int64_t c = 0; c < C; ++c) {
        write(g + c * call.inner, n, call.non_temporal, [](int64_t) ALWAYS_INLINE { return T(0); });
      }
      return;
    }
    start(at);
    const bool softmax = call.activation == lossary::Overlap::softmax;
    T* const mean = largest;
    if (softmax) std::fill(mean, mean + n, T(0));
    for (int64_t c = 0; c < C; ++c, slopes += 2) {
      predict(at, c);
      aim(at, c);
      T* const product = product_room + c * B;
      with_slope(slopes, [&](auto slope) ALWAYS_INLINE {
        if (softmax) {
#pragma omp simd
          for (int64_t b = 0; b < n; ++b) {
            const T here = p[b] * slope(b);
            product[b] = here;
            mean[b] += here;
          }
        } else if (call.activation == lossary::Overlap::sigmoid) {
          write(g + c * call.inner, n, call.non_temporal, [&](int64_t b) ALWAYS_INLINE { return p[b] * q[b] * slope(b); });
        } else {
          write(g + c * call.inner, n, call.non_temporal, slope);
        }
      });
    }
    for (int64_t c = 0; softmax && c < C; ++c) {
      const T* const product = product_room + c * B;
      const T* const e = e_room + c * B;
      write(g + c * call.inner, n, call.non_temporal,
            [&](int64_t b) ALWAYS_INLINE { return product[b] - e[b] * inverse[b] * mean[b]; });
    }
  }
};

// use(unit, its pixels)
template <class S, class Use>
void for_blocks(const lossary::Overlap& call, int64_t begin, int64_t end, Use use) {
  const int64_t blocks = (call.inner + call.rows_of_unit - 1) / call.rows_of_unit;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t from = unit % blocks * call.rows_of_unit, left = call.inner - from;
    use(unit, typename OverlapKernel<S>::Block{unit / blocks, from, left < call.rows_of_unit ? left : call.rows_of_unit});
  }
}

template <class S>
void overlap_sums(const lossary::Overlap& call, int64_t begin, int64_t end, char* scratch) {
  const OverlapKernel<S> kernel(call, scratch);
  for_blocks<S>(call, begin, end, [&](int64_t unit, const auto& block) {
    kernel.add_up(block, call.partial + (unit - call.first_unit) * call.classes * call.sums_of_class);
  });
}

template <class S>
void overlap_gradients(const lossary::Overlap& call, int64_t begin, int64_t end, char* scratch) {
  const OverlapKernel<S> kernel(call, scratch);
  for_blocks<S>(call, begin, end, [&](int64_t, const auto& block) {
    kernel.differentiate(block, call.slopes + (call.batch ? 0 : block.sample) * call.classes * 2);
  });
  finish_writing();
}

inline size_t overlap_sums_scratch(const lossary::Overlap& call) {
  return OverlapKernel<double>::scratch(call.classes, call.rows_of_unit);
}

inline size_t overlap_gradients_scratch(const lossary::Overlap& call) { return overlap_sums_scratch(call); }

}  // namespace
