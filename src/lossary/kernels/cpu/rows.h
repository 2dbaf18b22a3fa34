// Cross-entropy and focal loss of rows of logits with contiguous classes: value and gradient from one reading.
//
// Shapes: logits, probabilities, gradient (N, C); class indices, row weights, values (N); class weights (C).
//
// 1. Of each tile of a row its maximum m and the exponentials e = exp(x - m), written where the gradient will stand.
// 2. Of the row the tiles' sums, rescaled to the row's maximum (online softmax), and the loss.
// 3. A second pass over the row, which lies in the cache by then, scales the exponentials to the gradient.
// The sum over the other classes is kept apart from the target's: 1 - p and log(1 + small) keep their digits.
#pragma once

#include "elementary_bf16.h"
#include "accumulators.h"
#include "units.h"

namespace {

using lossary::Rows;

constexpr int64_t TILE = 1024;

// x - largest, where inf - inf is 0: a limit, all of the mass.
template <class T>
INLINED T below(T x, T largest) {
  return x == largest ? T(0) : x - largest;
}

template <class T>
INLINED T maximum(const T* x, int64_t n) {
  Accumulators<T> m(-infinity<T>);
  for_lanes<T>(n, [&](int64_t i, int64_t lane) ALWAYS_INLINE { m.at[lane] = x[i] > m.at[lane] ? x[i] : m.at[lane]; });
  return m.largest();
}

template <class T>
INLINED T sum(const T* x, int64_t n) {
  Accumulators<T> s(0);
  for_lanes<T>(n, [&](int64_t i, int64_t lane) ALWAYS_INLINE { s.at[lane] += x[i]; });
  return s.total();
}

template <class S, class T>
INLINED T exponentials(const T* x, T reference, T* e, int64_t n) {
  const auto against = [&](auto shift) ALWAYS_INLINE {
    Accumulators<T> s(0);
    for_lanes<T>(n, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
      e[i] = exp_of_nonpositive(shift(x[i]), S{});
      s.at[lane] += e[i];
    });
    return s.total();
  };
  if (reference < infinity<T>) return against([=](T z) ALWAYS_INLINE { return z - reference; });
  return against([=](T z) ALWAYS_INLINE { return below(z, reference); });
}

// Prefetches a tile: while exponentials are computed the memory would idle.
template <class S>
INLINED void fetch(const S* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / sizeof(S)) __builtin_prefetch(x + i, 0, 2);
}

// The loss of a row, and what its gradient with respect to -log p is multiplied by.
template <class T>
struct Focal {
  T value, slope;
};

// (1 - p)^gamma * nll, and its derivative with respect to nll. rest = 1 - p of the target class.
template <class T>
INLINED Focal<T> focal(T nll, T rest, T gamma) {
  const T power = rest > 0 ? exp_(gamma * log_(rest)) : T(0);
  const T ratio = (rest > 0) & (nll < infinity<T>) ? nll / rest : T(1);
  return {times(power, nll), power * (T(1) + gamma * ratio * (T(1) - rest))};
}

// Of each tile of a row: the maximum, the sum of exponentials against it, and what its targets add.
template <class T>
struct Tile {
  T largest, sum, distance, mass;

  T reference() const { return largest == -infinity<T> ? T(0) : largest; }

  // The factor that makes exponentials against the tile's maximum those against the row's.
  T rescale(T row_largest) const {
    return largest == -infinity<T> ? T(0) : largest == row_largest ? T(1) : exp_of_nonpositive(largest - row_largest);
  }
};

// The target class of a row: its logit, its exponential, the sum of the others in its tile, and its gradient.
template <class T>
struct TargetClass {
  int64_t index;
  T logit, e, others, gradient;
};

// The weight of a class in a target, and how far the given probability lies outside its range.
template <class T>
struct Target {
  T weight, excess;
};

// Calls use(target) with the targets t, smoothed and weighted by class, as a function of the place; without t each class
// has `uniform`.
template <class S, class T, class Use>
INLINED void with_targets(const S* t, const T* class_weight, T uniform, T kept, T share, Use use) {
  const auto smoothed = [=](int64_t i) ALWAYS_INLINE {
    const T p = widen(t[i]);
    return Target<T>{p * kept + share, excess_of_probability(p)};
  };
  if (!t && !class_weight) {
    use([=](int64_t) ALWAYS_INLINE { return Target<T>{uniform, T(0)}; });
  } else if (!t) {
    use([=](int64_t i) ALWAYS_INLINE { return Target<T>{uniform * class_weight[i], T(0)}; });
  } else if (!class_weight) {
    use(smoothed);
  } else {
    use([=](int64_t i) ALWAYS_INLINE {
      const Target<T> q = smoothed(i);
      return Target<T>{q.weight * class_weight[i], q.excess};
    });
  }
}

template <class S>
struct RowKernel {
  using T = typename Compute<S>::type;
  static constexpr bool in_place = sizeof(S) == sizeof(T);

  const Rows& call;
  const int64_t C = call.classes, tiles = (C + TILE - 1) / TILE;
  const T* const class_weight = static_cast<const T*>(call.class_weight);
  const T* const row_weight = static_cast<const T*>(call.row_weight);
  const T smoothing = static_cast<T>(call.smoothing), kept = T(1) - smoothing, gamma = static_cast<T>(call.gamma);
  const T scale = static_cast<T>(call.scale), share = smoothing / static_cast<T>(C);

  // A thread's scratch: logits or gradients of a tile, the statistics of each tile, the exponentials of a row.
  T* const x_room;
  Tile<T>* const tile = reinterpret_cast<Tile<T>*>(x_room + TILE);
  T* const e_room = reinterpret_cast<T*>(tile + tiles);

  static size_t scratch(int64_t classes) {
    return sizeof(T) * (TILE + classes) + sizeof(Tile<T>) * (classes / TILE + 1);
  }

  RowKernel(const Rows& c, char* scratch) : call(c), x_room(reinterpret_cast<T*>(scratch)) {}

  int64_t begin(int64_t k) const { return k * TILE; }
  int64_t size(int64_t k) const { return C - k * TILE < TILE ? C - k * TILE : TILE; }
  T class_weight_of(int64_t c) const { return class_weight ? class_weight[c] : T(1); }

  double row(int64_t r) const {
    const T weight = row_weight ? row_weight[r] : T(1);
    const S* const x = static_cast<const S*>(call.logits) + r * C;
    const S* const t = call.index ? nullptr : static_cast<const S*>(call.probabilities) + r * C;
    S* const g = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + r * C : nullptr;
    T* const e = in_place && g ? reinterpret_cast<T*>(g) : e_room;
    const int64_t y = call.index ? call.index[r] : 0;
    double value = 0;
    if (weight == 0 || (call.index && y == call.ignore_index)) {
      if (g) std::memset(g, 0, C * sizeof(S));
    } else {
      TargetClass<T> own{y, widen(x[y]), T(0), T(0), T(0)};  // now: the gradient may be written over the logits
      T largest = -infinity<T>;
      for (int64_t k = 0; k < tiles; ++k) {
        T* const tile_e = g ? e + begin(k) : e;  // without a gradient nobody needs them again
        read_tile(k, x, t, tile_e);
        if (call.index && k == y / TILE) take_target_class(own, tile_e);
        largest = tile[k].largest > largest ? tile[k].largest : largest;
      }
      double total = 0, distance = 0, mass = 0;
      for (int64_t k = 0; k < tiles; ++k) {
        total += static_cast<double>(tile[k].sum) * tile[k].rescale(largest);
        distance += tile[k].distance;
        if (tile[k].largest != largest) distance += times(tile[k].mass, largest - tile[k].reference());
        mass += tile[k].mass;
      }
      if (!(total > 0)) total = nan<double>;  // nothing but -inf, or a NaN
      value = call.index ? of_index(own, g, e, weight, largest, total, distance, mass)
                         : of_probabilities(t, g, e, weight, largest, total, distance, mass);
    }
    if (call.values) static_cast<T*>(call.values)[r] = static_cast<T>(value);
    return value;
  }

  template <class Use>
  INLINED void with_targets(const S* t, int64_t k, Use use) const {
    ::with_targets(t ? t + begin(k) : nullptr, class_weight ? class_weight + begin(k) : nullptr, T(1), kept, share, use);
  }

  // Σ e^(x - m), and for targets w of every class Σ w (m - x) and Σ w, where 0 * inf = 0.
  void read_tile(int64_t k, const S* x, const S* t, T* e) const {
    const int64_t n = size(k);
    const T* const logits = read(x + begin(k), x_room, n);
    tile[k] = {maximum(logits, n), T(0), T(0), T(0)};
    if (k + 1 < tiles) {
      fetch(x + begin(k + 1), size(k + 1));
      if (t) fetch(t + begin(k + 1), size(k + 1));
    }
    const T reference = tile[k].reference();
    if (call.index && smoothing == 0) {
      tile[k].sum = exponentials<S>(logits, reference, e, n);
      return;
    }
    // At once without regard to infinities; where one shows, and the logits are still there, again with it.
    with_targets(t, k, [&](auto target) ALWAYS_INLINE {
      if (e != logits) {
        add_tile(k, logits, e, target, [=](T z) ALWAYS_INLINE { return z - reference; },
                 [](T, T product) ALWAYS_INLINE { return product; });
        if (is_finite(tile[k].distance)) return;
      }
      add_tile(k, logits, e, target, [=](T z) ALWAYS_INLINE { return below(z, reference); },
               [](T weight, T product) ALWAYS_INLINE { return weight == 0 ? T(0) : product; });
    });
  }

  template <class At, class Shift, class Counted>
  INLINED void add_tile(int64_t k, const T* logits, T* e, At target, Shift shift, Counted counted) const {
    const int64_t n = size(k);
    Accumulators<T> total(0), distance(0), mass(0), excess(0);
    for_lanes<T>(n, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
      const Target<T> here = target(i);
      const T down = shift(logits[i]), value = exp_of_nonpositive(down, S{});
      e[i] = value;
      total.at[lane] += value;
      distance.at[lane] -= counted(here.weight, here.weight * down);
      mass.at[lane] += here.weight;
      excess.at[lane] = here.excess > excess.at[lane] ? here.excess : excess.at[lane];
    });
    tile[k] = {tile[k].largest, total.total(), distance.total(), mass.total()};
    if (excess.largest() > 0) call.outside->store(true, std::memory_order_relaxed);
  }

  void take_target_class(TargetClass<T>& own, const T* e) const {
    const int64_t k = own.index / TILE, at = own.index - begin(k);
    own.e = e[at];
    const bool leads = !(own.e < T(0.5) * tile[k].sum);  // then it would take digits of the others with it
    own.others = leads ? sum(e, at) + sum(e + at + 1, size(k) - at - 1) : tile[k].sum - own.e;
  }

  double of_index(TargetClass<T>& own, S* g, const T* e, T weight, T largest, double total, double distance,
                  double mass) const {
    const T rescale = tile[own.index / TILE].rescale(largest);
    double others = static_cast<double>(own.others) * rescale;
    for (int64_t k = 0; k < tiles; ++k) {
      if (k != own.index / TILE) others += static_cast<double>(tile[k].sum) * tile[k].rescale(largest);
    }
    const T rest = static_cast<T>(others / total);
    const T nll = own.logit == largest ? log1p_(static_cast<T>(others))
                                       : log_(static_cast<T>(total)) + (largest - own.logit);
    const T own_weight = weight * class_weight_of(own.index) * (T(1) - smoothing), spread = weight * share;
    const Focal<T> f = gamma == 0 ? Focal<T>{nll, T(1)} : focal(nll, rest, gamma);
    double value = total > 0 ? times(own_weight, f.value) : nan<T>;
    if (smoothing > 0) value += spread * (mass * std::log(total) + distance);
    if (g) {
      const T slope = own_weight * f.slope * scale, flat = spread * scale;
      const T p = static_cast<T>(static_cast<double>(own.e) * rescale / total);
      own.gradient = -slope * rest + flat * (static_cast<T>(mass) * p - class_weight_of(own.index));
      write_gradient(nullptr, g, e, (slope + flat * mass) / total, flat, largest, &own);
    }
    return value;
  }

  double of_probabilities(const S* t, S* g, T* e, T weight, T largest, double total, double distance,
                          double mass) const {
    const T slope = weight * scale;
    if (g) write_gradient(t, g, e, slope * mass / total, slope, largest, nullptr);
    const double entropy = mass == 0 ? 0 : mass * std::log(total);
    return weight * (entropy + distance + 0 * total);  // a NaN of total shows
  }

  // The second pass over a row: each tile's exponentials become its gradient, less `flat` for each part of the target.
  void write_gradient(const S* t, S* g, const T* exponentials, double factor, T flat, T largest,
                      const TargetClass<T>* own) const {
    for (int64_t k = 0; k < tiles; ++k) {
      const int64_t n = size(k);
      const bool has_own = own && k == own->index / TILE, non_temporal = call.non_temporal && !in_place;
      const T* const e = exponentials + begin(k);
      const T exact = static_cast<T>(factor * tile[k].rescale(largest)), rescale = exact == exact ? exact : nan<T>;
      const auto into = [&](auto* to, bool past) ALWAYS_INLINE {
        if (flat == 0) {
          write<false>(to, n, past, [=](int64_t i) ALWAYS_INLINE { return e[i] * rescale; });
        } else {
          with_targets(t, k, [&](auto target) ALWAYS_INLINE {
            write(to, n, past, [=](int64_t i) ALWAYS_INLINE { return e[i] * rescale - flat * target(i).weight; });
          });
        }
      };
      if (has_own && non_temporal) {
        into(x_room, false);
        x_room[own->index - begin(k)] = own->gradient;
        write(x_room, g + begin(k), n, true);
      } else {
        into(g + begin(k), non_temporal);
        if (has_own) g[own->index] = narrow(own->gradient, S{});
      }
    }
  }
};

template <class S>
void rows(const Rows& call, int64_t begin, int64_t end, char* scratch) {
  const RowKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t r) { return kernel.row(r); });
}

}  // namespace
