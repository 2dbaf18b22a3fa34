// Losses of pairs of boxes: how they overlap, in the words of core/boxes.py, and the gradient of the first.
//
// Shapes: boxes and gradients (N, 4); row weights, values (N).
#pragma once

#include "units.h"

namespace {

using lossary::BoxPairs;

enum BoxKind { iou, giou, diou, ciou, eiou };

// The four numbers of a box (f, l) as what its formula takes: the size l - f * from of an axis; and of the differences
// (d, e) to the target's numbers by how much the beginning lies beyond the target's, d - e * before, and the end,
// d * moved + e * after.
template <class T>
struct Corners {
  T from, before, moved, after;
};

template <class T>
inline Corners<T> corners_of(int64_t corners) {
  constexpr Corners<T> of[] = {{1, 0, 0, 1}, {0, 0, 1, 1}, {0, T(0.5), 1, T(0.5)}};  // xyxy, xywh, cxcywh
  return of[corners];
}

template <class T>
constexpr T smallest_normal = std::numeric_limits<T>::min();

template <class T>
INLINED T positive(T x) {
  return x < 0 ? T(0) : x;
}

// 1 above 0, and at 0, where two ends are one, a half.
template <class T>
INLINED T step(T x) {
  return T(0.5) * (select(x > 0, T(1), T(0)) + select(x >= 0, T(1), T(0)));
}

template <class T>
INLINED T smaller(T a, T b) {
  return a < b ? a : b;
}

template <class T>
INLINED T at_least_normal(T x) {
  return x < smallest_normal<T> ? smallest_normal<T> : x;
}

// Two boxes along one axis, in units of their hull but for low, high, size, target and hull.
template <class T>
struct Along {
  T low, high, size, target, hull, unit;
  T width, target_width, span;
  T over, under, shared, common, rest, target_rest;
  T begins, ends;  // derivatives of `shared` by the beginning of the box, negated, and by its end

  INLINED Along(const Corners<T>& c, T f, T l, T tf, T tl) {
    const T d = f - tf, e = l - tl;
    low = d - c.before * e;
    high = c.moved * d + c.after * e;
    size = l - c.from * f;
    target = tl - c.from * tf;
    hull = size + positive(low) + positive(-high);
    unit = T(1) / at_least_normal(hull);
    width = size * unit;
    target_width = target * unit;
    span = hull * unit;
    const T own = low * unit, other = high * unit;
    over = positive(-own) + positive(other);
    under = positive(own) + positive(-other);
    shared = select(width <= target_width, width - over, target_width - under);
    const bool meets = shared > 0;
    common = positive(shared);
    rest = select(meets, over, width - common);
    target_rest = select(meets, under, target_width - common);
    const T moves = step(shared);
    begins = moves * step(low);
    ends = moves * step(-high);
  }
};

// Derivatives by the beginning and the end of a box along one axis.
template <class T>
struct Slope {
  T first = 0, last = 0;
};

template <class T>
struct BoxLoss {
  T value;
  Slope<T> x, y;
};

// The part of the IoU, weighed: common_part and rest_part are I / U^2 and (U - I) / U^2.
template <class T>
INLINED Slope<T> slope_of_iou(const Along<T>& here, const Along<T>& across, T common_part, T rest_part) {
  const auto by = [&](T moves) ALWAYS_INLINE {
    return common_part * (across.width - T(2) * moves * across.common) - rest_part * moves * across.common;
  };
  return {-by(here.begins) * here.unit, by(here.ends) * here.unit};
}

// Of (C - U) / C.
template <class T>
INLINED Slope<T> slope_of_gap(const Along<T>& here, const Along<T>& across, T covered, T over_area) {
  const auto by = [&](T grows, T moves) ALWAYS_INLINE {
    return (covered * across.span * grows - (across.width - moves * across.common)) * over_area;
  };
  return {-by(step(-here.low), here.begins) * here.unit, by(step(here.high), here.ends) * here.unit};
}

// free_alpha: 0 where alpha of the complete loss is a constant in derivatives, else 1.
template <BoxKind kind, class T>
INLINED BoxLoss<T> loss_of_boxes(const Along<T>& x, const Along<T>& y, T free_alpha) {
  const T excess = (x.width * y.rest + y.common * x.rest) + (x.target_width * y.target_rest + y.common * x.target_rest);
  const T common = x.common * y.common, all = excess + common;
  const bool empty = all < smallest_normal<T>, same = x.low == 0 && x.high == 0 && y.low == 0 && y.high == 0;
  const T apart = select(same, T(0), T(1)), whole = select(empty, T(1), all);
  const T loss = select(empty, apart, excess / whole), over_all = select(empty, T(0), T(1) / whole);
  T of_overlap = T(1);
  BoxLoss<T> found{loss, {}, {}};
  const auto add = [](Slope<T>& to, T first, T last) ALWAYS_INLINE {
    to.first += first;
    to.last += last;
  };
  if constexpr (kind == giou) {
    const T area = x.span * y.span;
    const bool flat = area < smallest_normal<T>;
    const T over_area = select(flat, T(0), T(1) / select(flat, T(1), area));
    const T gap = select(smaller(x.shared, y.shared) > 0, T(0), common - x.shared * y.shared);
    const T open = select(flat, apart, (x.over * y.under + x.under * y.over + gap) * over_area);
    found.value += open;
    found.x = slope_of_gap(x, y, T(1) - open, over_area);
    found.y = slope_of_gap(y, x, T(1) - open, over_area);
  }
  if constexpr (kind == diou || kind == ciou || kind == eiou) {
    const T unit = T(1) / at_least_normal(larger(x.hull, y.hull));
    const T dx = T(0.5) * (x.low + x.high) * unit, dy = T(0.5) * (y.low + y.high) * unit;
    const T a = x.hull * unit, b = y.hull * unit, diagonal = a * a + b * b;
    const T over_diagonal = T(1) / select(diagonal == 0, T(1), diagonal), distance = (dx * dx + dy * dy) * over_diagonal;
    const T k = unit * over_diagonal, ka = T(2) * distance * a, kb = T(2) * distance * b;
    found.value += distance;
    add(found.x, k * (dx + ka * step(-x.low)), k * (dx - ka * step(x.high)));
    add(found.y, k * (dy + kb * step(-y.low)), k * (dy - kb * step(y.high)));
  }
  if constexpr (kind == ciou) {
    const T longest = larger(x.size, y.size), target_longest = larger(x.target, y.target);
    const bool point = smaller(longest, target_longest) == 0;
    const T unit = T(1) / at_least_normal(longest), target_unit = T(1) / at_least_normal(target_longest);
    const T w = x.size * unit, h = y.size * unit, tw = x.target * target_unit, th = y.target * target_unit;
    const T cross = select(point, T(0), (w - tw) * th - tw * (h - th)), dot = h * th + w * tw, size = std::fabs(cross);
    const bool steep = size > dot;
    const T most = larger(size, dot), part = atan_of_unit(smaller(size, dot) / select(most == 0, T(1), most));
    const T turn = std::copysign(select(steep, T(1.5707963267948966) - part, part), cross);
    const T v = T(0.40528473456935109) * turn * turn, alpha = v / select(v == 0, T(1), loss + v);
    const T factor = alpha + free_alpha * alpha * (T(1) - alpha), squares = w * w + h * h;
    const T k = T(0.81056946913870218) * turn * factor * unit / select(squares == 0, T(1), squares);
    found.value += alpha * v;
    of_overlap = T(1) - free_alpha * alpha * alpha;
    add(found.x, -k * h, k * h);
    add(found.y, k * w, -k * w);
  }
  if constexpr (kind == eiou) {
    const auto stretch = [&](const Along<T>& along, Slope<T>& slope) ALWAYS_INLINE {
      const T over_span = T(1) / select(along.span == 0, T(1), along.span);
      const T ratio = (along.width - along.target_width) * over_span, k = T(2) * ratio * over_span * along.unit;
      found.value += ratio * ratio;
      add(slope, -k * (T(1) - ratio * step(-along.low)), k * (T(1) - ratio * step(along.high)));
    };
    stretch(x, found.x);
    stretch(y, found.y);
  }
  const T common_part = of_overlap * common * over_all * over_all, rest_part = of_overlap * loss * over_all;
  const Slope<T> of_x = slope_of_iou(x, y, common_part, rest_part), of_y = slope_of_iou(y, x, common_part, rest_part);
  add(found.x, of_x.first, of_x.last);
  add(found.y, of_y.first, of_y.last);
  return found;
}

// The loss of one pair, and its derivatives by the four numbers of the first box. inside_out: how far the ends of either
// box are in the wrong order.
template <class T>
struct PairOfBoxes {
  T value, dx, dy, dw, dh, inside_out;
};

template <BoxKind kind, class T>
INLINED PairOfBoxes<T> pair_of_boxes(const Corners<T>& c, const T* a, const T* b, T free_alpha) {
  const Along<T> x(c, a[0], a[2], b[0], b[2]), y(c, a[1], a[3], b[1], b[3]);
  const BoxLoss<T> found = loss_of_boxes<kind>(x, y, free_alpha);
  return {found.value,
          found.x.first + c.moved * found.x.last,
          found.y.first + c.moved * found.y.last,
          c.after * found.x.last - c.before * found.x.first,
          c.after * found.y.last - c.before * found.y.first,
          -smaller(smaller(x.size, y.size), smaller(x.target, y.target))};
}

template <BoxKind kind, class S>
double boxes_block(const BoxPairs& call, int64_t begin, int64_t n, char* scratch) {
  using T = typename Compute<S>::type;
  T* const values = reinterpret_cast<T*>(scratch);
  T* const rooms = values + call.block;
  const T* const x = read(static_cast<const S*>(call.input) + 4 * begin, rooms, 4 * n);
  const T* const t = read(static_cast<const S*>(call.target) + 4 * begin, rooms + 4 * call.block, 4 * n);
  constexpr bool narrows = sizeof(S) != sizeof(T);
  S* const to = call.gradients[0] ? static_cast<S*>(call.gradients[0]) + 4 * begin : nullptr;
  T* const room = rooms + 8 * call.block;
  T* g = room;
  if constexpr (!narrows) g = to ? to : room;
  const T* const weight = call.row_weight ? static_cast<const T*>(call.row_weight) + begin : nullptr;
  const Corners<T> c = corners_of<T>(call.corners);
  const T scale = static_cast<T>(call.scale), free_alpha = call.held_alpha ? T(0) : T(1);
  T excess = 0;
  const auto loop = [&](auto weight_of) {
#pragma omp simd reduction(max : excess)
    for (int64_t i = 0; i < n; ++i) {
      const PairOfBoxes<T> pair = pair_of_boxes<kind>(c, x + 4 * i, t + 4 * i, free_alpha);
      const T w = weight_of(i), k = w * scale;
      const bool counts = w != 0;
      const T value = w * pair.value, dx = k * pair.dx, dy = k * pair.dy, dw = k * pair.dw, dh = k * pair.dh;
      values[i] = counts ? value : T(0);
      g[4 * i] = counts ? dx : T(0);
      g[4 * i + 1] = counts ? dy : T(0);
      g[4 * i + 2] = counts ? dw : T(0);
      g[4 * i + 3] = counts ? dh : T(0);
      excess = larger(counts ? pair.inside_out : T(0), excess);
    }
  };
  weight ? loop([=](int64_t i) ALWAYS_INLINE { return weight[i]; }) : loop([](int64_t) ALWAYS_INLINE { return T(1); });
  if constexpr (narrows) {
    if (to) write(g, to, 4 * n, false);
  }
  if (call.values) std::memcpy(static_cast<T*>(call.values) + begin, values, n * sizeof(T));
  const int64_t whole = (n + 31) / 32 * 32;
  for (int64_t i = n; i < whole; ++i) values[i] = T(0);
  if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
  return sum_of_block(values, whole);
}

template <BoxKind kind, class S>
void boxes_of(const BoxPairs& call, int64_t begin, int64_t end, char* scratch) {
  for_units(call, call.rows, begin, end,
            [&](int64_t first, int64_t n, int64_t) { return boxes_block<kind, S>(call, first, n, scratch); });
}

template <class S>
void boxes(const BoxPairs& call, int64_t begin, int64_t end, char* scratch) {
  using Kernel = void (*)(const BoxPairs&, int64_t, int64_t, char*);
  static constexpr Kernel kinds[] = {boxes_of<iou, S>, boxes_of<giou, S>, boxes_of<diou, S>, boxes_of<ciou, S>,
                                     boxes_of<eiou, S>};
  kinds[call.kind](call, begin, end, scratch);
}

inline size_t boxes_scratch(const BoxPairs& call) { return 13 * call.block * sizeof(double); }

}  // namespace
