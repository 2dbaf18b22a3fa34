// KL(softmax(t / T) || softmax(x / T)) of rows of logits t and x: value and gradients from one reading.
//
// Shapes: logits x and t and their gradients (N, C); row weights, values (N).
//
// 1. As in rows.h, a tile of both rows at a time: its exponentials against its own maximum, kept for the gradients.
// 2. KL = E[d] + log E[e^-d] with d = (t - x) / T, under the target's probabilities.
// 3. Where that is small both parts cancel: then d less its mean is v, and KL = E[v] + log(1 + E[e^-v - 1]) is a sum of
//    positive terms e^-v - 1 + v.
// 4. The gradients, tile by tile, from the exponentials.
#pragma once

#include "rows.h"

namespace {

using lossary::Divergence;

// e^-v - 1 + v for |v| < 1/2: v^2/2 (1 - v/3 (1 - v/4 (...))).
template <class T>
INLINED T bregman(T v) {
  constexpr int terms = sizeof(T) == 4 ? 9 : 17;
  T q = 1;
#pragma GCC unroll 16
  for (int k = terms; k > 2; --k) q = T(1) - q * v * (T(1) / static_cast<T>(k));
  return T(0.5) * v * v * q;
}

template <class T>
struct Side {
  T largest, sum;

  T reference() const { return largest == -infinity<T> ? T(0) : largest; }
};

template <class S>
struct DivergenceKernel {
  using T = typename Compute<S>::type;

  const Divergence& call;
  const int64_t C = call.classes, tiles = (C + TILE - 1) / TILE;
  const T per_temperature = static_cast<T>(1 / call.temperature);

  // A thread's scratch: logits of a tile, the statistics of each tile, the exponentials of both rows.
  struct Tile {
    Side<T> x, t;
    T distance;  // Σ e^t d
  };
  T* const x_room;
  T* const t_room = x_room + TILE;
  Tile* const tile = reinterpret_cast<Tile*>(t_room + TILE);
  T* const ex_room = reinterpret_cast<T*>(tile + tiles);
  T* const et_room = ex_room + C;

  static size_t scratch(int64_t classes) {
    return sizeof(T) * 2 * (TILE + classes) + sizeof(Tile) * (classes / TILE + 1);
  }

  DivergenceKernel(const Divergence& c, char* scratch) : call(c), x_room(reinterpret_cast<T*>(scratch)) {}

  int64_t begin(int64_t k) const { return k * TILE; }
  int64_t size(int64_t k) const { return C - k * TILE < TILE ? C - k * TILE : TILE; }

  // The factor that makes exponentials against a tile's maximum those against the row's.
  T rescale(const Side<T>& side, T largest) const {
    if (side.largest == largest) return T(1);
    return side.largest == -infinity<T> ? T(0) : exp_of_nonpositive((side.largest - largest) * per_temperature);
  }

  double row(int64_t r) const {
    const T weight = call.row_weight ? static_cast<const T*>(call.row_weight)[r] : T(1);
    const S* const x = static_cast<const S*>(call.input) + r * C;
    const S* const t = static_cast<const S*>(call.target) + r * C;
    double value = 0;
    if (weight == 0) {
      for (void* g : call.gradients) {
        if (g) std::memset(static_cast<S*>(g) + r * C, 0, C * sizeof(S));
      }
    } else {
      value = weight * divergence(r, x, t, weight * static_cast<T>(call.scale));
    }
    if (call.values) static_cast<T*>(call.values)[r] = static_cast<T>(value);
    return value;
  }

  double divergence(int64_t r, const S* x, const S* t, T slope) const {
    Side<T> of_x{-infinity<T>, T(0)}, of_t = of_x;
    for (int64_t k = 0; k < tiles; ++k) {
      read_tile(k, x, t);
      of_x.largest = tile[k].x.largest > of_x.largest ? tile[k].x.largest : of_x.largest;
      of_t.largest = tile[k].t.largest > of_t.largest ? tile[k].t.largest : of_t.largest;
    }
    const T mx = of_x.reference(), mt = of_t.reference();
    double sum_x = 0, sum_t = 0, distance = 0;
    for (int64_t k = 0; k < tiles; ++k) {
      const Tile& known = tile[k];
      const double here = static_cast<double>(known.t.sum) * rescale(known.t, of_t.largest);
      sum_x += static_cast<double>(known.x.sum) * rescale(known.x, of_x.largest);
      sum_t += here;
      if (known.distance == infinity<T>) distance = infinity<double>;
      if (here == 0 || distance == infinity<double>) continue;
      const T down_x = below(known.x.reference(), mx), down_t = below(known.t.reference(), mt);
      distance += known.distance * rescale(known.t, of_t.largest) + here * (down_t - down_x) * per_temperature;
    }
    if (!(sum_x > 0) || !(sum_t > 0)) sum_t = nan<double>;  // nothing but -inf, or a NaN
    const double mean = distance / sum_t, log_ratio = std::log(sum_x / sum_t);
    double value = mean + log_ratio;
    if (value < 0.125 && mx < infinity<T> && mt < infinity<T>) value = small(x, t, of_x, of_t, mean, sum_t);
    if (call.gradients[0] || call.gradients[1]) {
      const double factor = slope * static_cast<double>(per_temperature);
      write_gradients(r, x, t, of_x, of_t, factor / sum_x, factor / sum_t, log_ratio, static_cast<T>(value));
    }
    return value;
  }

  void read_tile(int64_t k, const S* x, const S* t) const {
    const int64_t n = size(k);
    const T* const logits = read(x + begin(k), x_room, n);
    const T* const targets = read(t + begin(k), t_room, n);
    Side<T> of_x{maximum(logits, n), T(0)}, of_t{maximum(targets, n), T(0)};
    if (k + 1 < tiles) {
      fetch(x + begin(k + 1), size(k + 1));
      fetch(t + begin(k + 1), size(k + 1));
    }
    // At once without regard to infinities; where one shows, again with it.
    add_tile(k, of_x, of_t, logits, targets, [](T z, T m) ALWAYS_INLINE { return z - m; },
             [](T, T, T product) ALWAYS_INLINE { return product; });
    if (is_finite(tile[k].distance)) return;
    add_tile(k, of_x, of_t, logits, targets, [](T z, T m) ALWAYS_INLINE { return below(z, m); },
             [](T down_x, T down_t, T product) ALWAYS_INLINE {
               const T apart = down_x == -infinity<T> ? infinity<T> : product;  // however small p is, if it is not 0
               return down_t == -infinity<T> ? T(0) : apart;
             });
  }

  template <class Shift, class Counted>
  INLINED void add_tile(int64_t k, Side<T> of_x, Side<T> of_t, const T* logits, const T* targets, Shift shift,
                        Counted counted) const {
    const int64_t n = size(k);
    const T mx = of_x.reference(), mt = of_t.reference();
    T* const ex = ex_room + begin(k);
    T* const et = et_room + begin(k);
    T sum_x = 0, sum_t = 0, distance = 0;
#pragma omp simd reduction(+ : sum_x, sum_t, distance)
    for (int64_t i = 0; i < n; ++i) {
      const T down_x = shift(logits[i], mx) * per_temperature, down_t = shift(targets[i], mt) * per_temperature;
      const T e = exp_of_nonpositive(down_x, S{}), p = exp_of_nonpositive(down_t, S{});
      ex[i] = e;
      et[i] = p;
      sum_x += e;
      sum_t += p;
      distance += counted(down_x, down_t, p * (down_t - down_x));
    }
    of_x.sum = sum_x;
    of_t.sum = sum_t;
    tile[k] = {of_x, of_t, distance};
  }

  // Where |v| is not small, e^t (e^-v - 1 + v) is e^x e^mean + e^t (v - 1).
  double small(const S* x, const S* t, const Side<T>& of_x, const Side<T>& of_t, double mean, double sum_t) const {
    const T shift = (of_t.largest - of_x.largest) + static_cast<T>(mean / per_temperature);
    double positive = 0, left = 0;
    for (int64_t k = 0; k < tiles; ++k) {
      const int64_t n = size(k);
      const T* const logits = read(x + begin(k), x_room, n);
      const T* const targets = read(t + begin(k), t_room, n);
      const T* const ex = ex_room + begin(k);
      const T* const et = et_room + begin(k);
      const T up_t = rescale(tile[k].t, of_t.largest);
      const T up_x = rescale(tile[k].x, of_x.largest) * static_cast<T>(std::exp(mean));
      T sum = 0, rest = 0;
#pragma omp simd reduction(+ : sum, rest)
      for (int64_t i = 0; i < n; ++i) {
        const T v = ((targets[i] - logits[i]) - shift) * per_temperature, p = et[i] * up_t, e = ex[i] * up_x;
        const T size = v < 0 ? -v : v, near = p * bregman(v), far = p * (v - T(1)) + e, first = p * v;
        const T term = size < T(0.5) ? near : far;
        sum += p == 0 ? e : term;
        rest += p == 0 ? T(0) : first;
      }
      positive += sum;
      left += rest;
    }
    positive /= sum_t;
    left /= sum_t;
    return left + std::log1p(positive - left);
  }

  void write_gradients(int64_t r, const S* x, const S* t, const Side<T>& of_x, const Side<T>& of_t, double factor_x,
                       double factor_t, double log_ratio, T value) const {
    S* const dx = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + r * C : nullptr;
    S* const dt = call.gradients[1] ? static_cast<S*>(call.gradients[1]) + r * C : nullptr;
    for (int64_t k = 0; k < tiles; ++k) {
      const int64_t n = size(k);
      const T* const ex = ex_room + begin(k);
      const T* const et = et_room + begin(k);
      const T fx = static_cast<T>(factor_x * rescale(tile[k].x, of_x.largest));
      const T ft = static_cast<T>(factor_t * rescale(tile[k].t, of_t.largest));
      if (dx) {
        write(dx + begin(k), n, call.non_temporal, [=](int64_t i) ALWAYS_INLINE { return ex[i] * fx - et[i] * ft; });
      }
      if (dt) {
        const T* const logits = read(x + begin(k), x_room, n);
        const T* const targets = read(t + begin(k), t_room, n);
        const T mx = of_x.reference(), mt = of_t.reference(), shift = static_cast<T>(log_ratio), sharp = per_temperature;
        write(dt + begin(k), n, call.non_temporal, [=](int64_t i) ALWAYS_INLINE {
          const T ratio = (below(targets[i], mt) - below(logits[i], mx)) * sharp + shift;
          const T excess = ratio - value, product = et[i] * ft * excess;
          const T here = ratio == value ? T(0) : product;  // inf - inf
          return et[i] == 0 ? T(0) : here;
        });
      }
    }
  }
};

template <class S>
void divergences(const Divergence& call, int64_t begin, int64_t end, char* scratch) {
  const DivergenceKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t r) { return kernel.row(r); });
}

inline size_t divergences_scratch(const Divergence& call) { return DivergenceKernel<double>::scratch(call.classes); }

}  // namespace
