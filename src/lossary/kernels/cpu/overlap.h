// Overlap of masks.
//
// Shapes: scores, masks, gradient (N, C, M); class indices, pixel weights (N, M); partial sums (units, C, 3); slopes
// (N, C, 2).
//
// A block of B pixels of one sample at a time; vectors run over pixels. The gradient needs the sums of all blocks first, and
// reads the scores again: samples that fit the caches are read from there.
#pragma once

#include "strided_rows.h"

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
  T* const largest = t + B;      // of a pixel's scores, m
  T* const total = largest + B;  // Σ e^(x - m)
  T* const inverse = total + B;
  T* const rest = inverse + B;  // the sum without a largest term, which is 1
  T* const mean = rest + B;     // Σ p_c ∂ℓ/∂p_c
  Index* const mine = reinterpret_cast<Index*>(mean + B);  // the class of each pixel, or -1
  T* const e_room = mean + 2 * B;
  T* const product_room = e_room + C * B;

  static size_t scratch(int64_t classes, int64_t pixels) { return sizeof(T) * pixels * (10 + 2 * classes); }

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
  }

  // Class indices against a softmax, mostly: loops of their own, which take less memory.
  bool is_plain() const { return call.activation == lossary::Overlap::softmax && call.index && !call.squared; }

  void choose(const int64_t* y, int64_t n) const {
    T* const w = weight;
    Index* const own = mine;
    const int64_t ignored = call.ignore_index, classes = C;
    int64_t wrong = 0;
#pragma omp simd reduction(| : wrong)
    for (int64_t b = 0; b < n; ++b) {
      const T here = select(y[b] == ignored, T(0), w[b]);
      wrong |= -static_cast<int64_t>(here != 0) & ((y[b] >> 63) | ((classes - 1 - y[b]) >> 63));
      w[b] = here;
      own[b] = here == 0 ? Index(-1) : static_cast<Index>(y[b]);
    }
    if (wrong) call.outside->store(true, std::memory_order_relaxed);
  }

  // of_this(c): what is added to `mean` for an exponential, of its pixel and itself. with_rest: whether `rest` is wanted.
  template <bool with_rest, class OfClass>
  INLINED void exponentiate(const Block& at, OfClass of_this) const {
    const int64_t n = at.n, room = B, inner = call.inner;
    const T* const w = weight;
    T *const most = largest, *const sum = total, *const lesser = rest, *const one = inverse, *const added = mean;
    std::fill(most, most + n, -infinity<T>);
    by_fours(C, [&](int64_t c, auto together) ALWAYS_INLINE {
      constexpr int K = decltype(together)::value;
      const S* const x = of_class(call.input, at, c);
      T* const z = e_room + c * room;
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        T highest = most[b];
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const T score = widen(x[k * inner + b]), here = select(w[b] == 0, T(0), score);
          z[k * room + b] = here;
          highest = here > highest ? here : highest;
        }
        most[b] = highest;
      }
    });
    int infinite = 0;
#pragma omp simd reduction(| : infinite)
    for (int64_t b = 0; b < n; ++b) {
      most[b] = most[b] == -infinity<T> ? T(0) : most[b];
      infinite |= most[b] == infinity<T>;
    }
    std::fill(sum, sum + n, T(0));
    std::fill(lesser, lesser + n, T(-1));  // and stays so without the rest: then the sum is whole
    std::fill(added, added + n, T(0));
    const auto exponentials = [&](auto shift) ALWAYS_INLINE {
      by_fours(C, [&](int64_t c, auto together) ALWAYS_INLINE {
        constexpr int K = decltype(together)::value;
        T* const e = e_room + c * room;
        const auto addend = of_this(c, together);
#pragma omp simd
        for (int64_t b = 0; b < n; ++b) {
          T small = sum[b], ones = lesser[b], more = added[b];
#pragma GCC unroll 4
          for (int k = 0; k < K; ++k) {
            const T power = exp_of_nonpositive(shift(e[k * room + b], most[b]), S{});
            e[k * room + b] = power;
            if constexpr (with_rest) {
              small += select(power == 1, T(0), power);
              ones += select(power == 1, T(1), T(0));
            } else {
              small += power;
            }
            more += addend(k, b, power);
          }
          sum[b] = small;
          if constexpr (with_rest) lesser[b] = ones;
          added[b] = more;
        }
      });
    };
    infinite ? exponentials(below<T>) : exponentials([](T z, T m) ALWAYS_INLINE { return z - m; });
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) {
      const T small = sum[b], whole = small + (lesser[b] + T(1)), share = T(1) / whole;
      lesser[b] += small;
      sum[b] = whole;
      one[b] = select(whole > 0, share, nan<T>);  // nothing but -inf, or a NaN
    }
  }

  void exponentiate(const Block& at) const {
    exponentiate<true>(at, [](int64_t, auto) { return [](int, int64_t, T) ALWAYS_INLINE { return T(0); }; });
  }

  // p and q of a class.
  void predict(const Block& at, int64_t c) const {
    const int64_t n = at.n;
    const S* const x = of_class(call.input, at, c);
    const T* const w = weight;
    T *const yes = p, *const no = q;
    if (call.activation == lossary::Overlap::softmax) {
      const T *const e = e_room + c * B, *const sum = total, *const lesser = rest, *const one = inverse;
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T others = sum[b] - e[b];
        yes[b] = e[b] * one[b];
        no[b] = select(e[b] == 1, lesser[b], others) * one[b];
      }
    } else if (call.activation == lossary::Overlap::sigmoid) {
#pragma omp simd
      for (int64_t b = 0; b < n; ++b) {
        const T score = widen(x[b]), z = select(w[b] == 0, T(0), score);
        const T e = exp_of_nonpositive(select(z > 0, -z, z)), larger = T(1) / (T(1) + e), smaller = e * larger;
        yes[b] = select(z < 0, smaller, larger);
        no[b] = select(z < 0, larger, smaller);
      }
    } else {
      T excess = 0;
#pragma omp simd reduction(max : excess)
      for (int64_t b = 0; b < n; ++b) {
        const T score = widen(x[b]), here = select(w[b] == 0, T(0), score), outside = excess_of_probability(here);
        excess = outside > excess ? outside : excess;
        yes[b] = here;
        no[b] = T(1) - here;
      }
      if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
    }
  }

  // t of a class.
  void aim(const Block& at, int64_t c) const {
    const T* const w = weight;
    T* const target = t;
    if (call.index) {
      const Index here = static_cast<Index>(c);
      const Index* const own = mine;
#pragma omp simd
      for (int64_t b = 0; b < at.n; ++b) target[b] = select(own[b] == here, T(1), T(0));
      return;
    }
    const S* const mask = of_class(call.masks, at, c);
    T excess = 0;
#pragma omp simd reduction(max : excess)
    for (int64_t b = 0; b < at.n; ++b) {
      const T given = widen(mask[b]), here = select(w[b] == 0, T(0), given), outside = excess_of_probability(here);
      excess = outside > excess ? outside : excess;
      target[b] = here;
    }
    if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
  }

  // Of one pixel.
  struct Pixel {
    T w, p, q, t;

    // t - p, of the smaller two of t, p, 1 - t and 1 - p.
    INLINED T error() const {
      const T near_one = q - (T(1) - t), near_zero = t - p;
      return select(t > T(0.5), near_one, near_zero);
    }

    // How much of the derivative is that of p < t: between equals a half, at the ends of [0, 1] there is one side alone.
    INLINED T side(T d) const {
      const T over = select(d < 0, T(0), T(0.5)), inside = select(d > 0, T(1), over);
      const T low = select(t <= 0, T(0), inside);
      return select(t >= 1, T(1), low);
    }
  };

  struct Three {
    T first, second, third;
  };

  // part(pixel_of(b)): what a pixel adds to the three sums; in the dtype of computation for a few vectors, then in fp64.
  template <class PixelOf, class Part>
  INLINED static void add(int64_t n, double* sums, PixelOf pixel_of, Part part) {
    constexpr int64_t few = 512;
    for (int64_t from = 0; from < n; from += few) {
      const int64_t to = from + few < n ? from + few : n;
      T first = 0, second = 0, third = 0;
#pragma omp simd reduction(+ : first, second, third)
      for (int64_t b = from; b < to; ++b) {
        const Three here = part(pixel_of(b));
        first += here.first;
        second += here.second;
        third += here.third;
      }
      sums[0] += static_cast<double>(first);
      sums[1] += static_cast<double>(second);
      sums[2] += static_cast<double>(third);
    }
  }

  // What p, q and t of a class hold.
  INLINED auto pixels() const {
    const T *const w = weight, *const yes = p, *const no = q, *const target = t;
    return [=](int64_t b) ALWAYS_INLINE { return Pixel{w[b], yes[b], no[b], target[b]}; };
  }

  static INLINED Three product_parts(Pixel i) {
    const T of_pixel = i.w * i.p;
    return {of_pixel * i.t, of_pixel * (T(1) - i.t), i.w * i.q * i.t};
  }

  void add_up(const Block& at, double* sums) const {
    std::fill(sums, sums + C * call.sums_of_class, 0.0);
    if (!call.counts[at.sample]) return;
    start(at);
    if (call.activation == lossary::Overlap::softmax) exponentiate(at);
    if (is_plain()) return add_up_plain(at.n, sums);
    for (int64_t c = 0; c < C; ++c, sums += call.sums_of_class) {
      predict(at, c);
      aim(at, c);
      if (call.squared) {
        add(at.n, sums, pixels(), [](Pixel i) ALWAYS_INLINE {
          const T d = i.error();
          return Three{i.w * (d * d), i.w * (i.p * i.p + i.t * i.t), i.w * i.t};
        });
      } else if (call.minimum) {
        add(at.n, sums, pixels(), [](Pixel i) ALWAYS_INLINE {
          const T d = i.error(), under = i.side(d), over = T(1) - under;
          return Three{i.w * (under * i.p + over * i.t), -i.w * (over * d), i.w * (under * d)};
        });
      } else {
        add(at.n, sums, pixels(), product_parts);
      }
    }
  }

  void add_up_plain(int64_t n, double* sums) const {
    const T *const w = weight, *const sum = total, *const lesser = rest, *const one = inverse;
    const Index* const own = mine;
    T* const share = p;
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) share[b] = w[b] * one[b];
    for (int64_t c = 0; c < C; ++c, sums += call.sums_of_class) {
      const T* const e = e_room + c * B;
      const Index here = static_cast<Index>(c);
      add(n, sums, [](int64_t b) ALWAYS_INLINE { return b; }, [=](int64_t b) ALWAYS_INLINE {
        const bool is_own = own[b] == here;
        const T others = sum[b] - e[b], predicted = e[b] * share[b];
        const T missed = select(e[b] == 1, lesser[b], others) * share[b];
        return Three{select(is_own, predicted, T(0)), select(is_own, T(0), predicted), select(is_own, missed, T(0))};
      });
    }
  }

  // Calls use with ∂ℓ/∂p of a pixel, in the form that the call asks for.
  template <class Use>
  INLINED void with_slope(const double* slopes, Use use) const {
    const T first = static_cast<T>(slopes[0]), second = static_cast<T>(slopes[1]), gap = second - first;
    if (call.squared) {
      use([=](Pixel i) ALWAYS_INLINE { return i.w * (first * i.p + second * i.t); });
    } else if (call.minimum) {
      use([=](Pixel i) ALWAYS_INLINE { return i.w * (first + i.side(i.error()) * gap); });
    } else {
      use([=](Pixel i) ALWAYS_INLINE { return i.w * (first + i.t * gap); });
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
    if (is_plain()) return differentiate_plain(at, slopes, g);
    const bool softmax = call.activation == lossary::Overlap::softmax;
    if (softmax) exponentiate(at);
    const T *const yes = p, *const no = q, *const one = inverse;
    T* const sum = mean;
    const auto pixel = pixels();
    for (int64_t c = 0; c < C; ++c, slopes += 2) {
      predict(at, c);
      aim(at, c);
      T* const product = product_room + c * B;
      S* const to = g + c * call.inner;
      with_slope(slopes, [&](auto slope) ALWAYS_INLINE {
        if (softmax) {
#pragma omp simd
          for (int64_t b = 0; b < n; ++b) {
            const T here = yes[b] * slope(pixel(b));
            product[b] = here;
            sum[b] += here;
          }
        } else if (call.activation == lossary::Overlap::sigmoid) {
          write(to, n, call.non_temporal, [=](int64_t b) ALWAYS_INLINE { return yes[b] * no[b] * slope(pixel(b)); });
        } else {
          write(to, n, call.non_temporal, [=](int64_t b) ALWAYS_INLINE { return slope(pixel(b)); });
        }
      });
    }
    for (int64_t c = 0; softmax && c < C; ++c) {
      const T *const product = product_room + c * B, *const e = e_room + c * B;
      write(g + c * call.inner, n, call.non_temporal,
            [=](int64_t b) ALWAYS_INLINE { return product[b] - e[b] * one[b] * sum[b]; });
    }
  }

  // Σ p_c ∂ℓ/∂p_c is added up with the exponentials: no slope depends on probabilities.
  void differentiate_plain(const Block& at, const double* slopes, S* g) const {
    const int64_t n = at.n;
    const Index* const own = mine;
    exponentiate<false>(at, [=](int64_t c, auto together) ALWAYS_INLINE {
      constexpr int K = decltype(together)::value;
      struct Addend {
        T where_not[K], where[K];
        Index first;
        const Index* own;
        INLINED T operator()(int k, int64_t b, T power) const {
          return power * select(own[b] == first + k, where[k], where_not[k]);
        }
      } made{{}, {}, static_cast<Index>(c), own};
      for (int k = 0; k < K; ++k) {
        made.where_not[k] = static_cast<T>(slopes[2 * (c + k)]);
        made.where[k] = static_cast<T>(slopes[2 * (c + k) + 1]);
      }
      return made;
    });
    const T *const w = weight, *const one = inverse, *const sum = mean;
    T *const share = p, *const shift = q;
#pragma omp simd
    for (int64_t b = 0; b < n; ++b) {
      share[b] = w[b] * one[b];
      shift[b] = sum[b] * one[b];
    }
    for (int64_t c = 0; c < C; ++c) {
      const T* const e = e_room + c * B;
      const T where_not = static_cast<T>(slopes[2 * c]), where = static_cast<T>(slopes[2 * c + 1]);
      const Index here = static_cast<Index>(c);
      write(g + c * call.inner, n, call.non_temporal, [=](int64_t b) ALWAYS_INLINE {
        return e[b] * share[b] * (select(own[b] == here, where, where_not) - shift[b]);
      });
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
