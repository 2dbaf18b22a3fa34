// What the operators of torch share: tensors, outputs, reductions, threads. Over torch's stable ABI.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "api.h"
#include "memory.h"

namespace lossary {

#if defined(__x86_64__)
extern const Kernels kernels_x86_64_v4, kernels_x86_64_v3, kernels_x86_64_v2;
#else
extern const Kernels kernels_native;
#endif

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using MaybeTensor = std::optional<Tensor>;

inline const Kernels& best_kernels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return kernels_x86_64_v4;
  return __builtin_cpu_supports("x86-64-v3") ? kernels_x86_64_v3 : kernels_x86_64_v2;
#else
  return kernels_native;
#endif
}

inline const Kernels& best = best_kernels();

inline const Kernels& kernels() { return best; }

inline DType dtype_of(const Tensor& x) {
  switch (x.scalar_type()) {
    case ScalarType::Double: return float64;
    case ScalarType::Float: return float32;
    case ScalarType::Half: return float16;
    case ScalarType::BFloat16: return bfloat16;
    default: throw std::runtime_error("lossary: the kernels take fp64, fp32, fp16 and bf16");
  }
}

inline ScalarType computed_in(DType dtype) { return dtype == float64 ? ScalarType::Double : ScalarType::Float; }

enum Reduction : int64_t { none, mean, sum, batchmean };

using Answer = std::tuple<Tensor, std::vector<Tensor>>;
using Sizes = std::vector<int64_t>;

inline Sizes sizes_of(const Tensor& x) { return Sizes(x.sizes().begin(), x.sizes().end()); }

inline Sizes dense_strides(const Sizes& sizes) {
  Sizes strides(sizes.size(), 1);
  for (size_t d = sizes.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<int64_t>(sizes[d], 1);
  return strides;
}

inline const void* data(const MaybeTensor& x) { return x.has_value() ? x->const_data_ptr() : nullptr; }

// As torch::stable::empty_like and new_empty, which take several times as long for a small tensor.
template <class Shape>
Tensor empty(const Shape& sizes, const Shape& strides, ScalarType dtype) {
  const auto code = torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype));
  AtenTensorHandle made;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(static_cast<int64_t>(sizes.size()), sizes.data(),
                                                         strides.data(), code, aoti_torch_device_type_cpu(), 0, &made));
  return Tensor(made);
}

inline Tensor empty(const Sizes& sizes, ScalarType dtype) { return empty(sizes, dense_strides(sizes), dtype); }

// What lets torch resize the storage of a tensor over kept memory: autograd.cpp has it, as the stable ABI has not.
using LetResize = void (*)(AtenTensorHandle);
inline std::atomic<LetResize> let_resize = nullptr;

// A gradient: where it is large, in memory that earlier ones have left.
template <class Shape>
Tensor fresh(const Shape& sizes, const Shape& strides, int64_t elements, const Tensor& like) {
  [[maybe_unused]] const size_t bytes = static_cast<size_t>(elements) * like.element_size();
#ifndef __SANITIZE_ADDRESS__  // which guards what malloc hands out
  if (bytes >= GradientMemory::smallest) {
    if (gradient_memory.limit() == 0) {
      const Tensor made = empty(sizes, strides, like.scalar_type());
      take_huge_pages(made.mutable_data_ptr(), bytes);
      return made;
    }
    const Tensor made =
        torch::stable::from_blob(gradient_memory.take(bytes), sizes, strides, like.device(), like.scalar_type(),
                                 [](void* begin) { gradient_memory.give_back(begin); });
    if (const LetResize let = let_resize) let(made.get());
    return made;
  }
#endif
  return empty(sizes, strides, like.scalar_type());
}

inline Tensor fresh_like(const Tensor& x) { return fresh(x.sizes(), x.strides(), x.numel(), x); }

inline Tensor fresh_matrix(int64_t rows, int64_t columns, const Tensor& like) {
  return fresh(Sizes{rows, columns}, Sizes{columns, 1}, rows * columns, like);
}

inline double value_of(const Tensor& scalar) {
  const void* p = scalar.const_data_ptr();
  return scalar.scalar_type() == ScalarType::Double ? *static_cast<const double*>(p) : *static_cast<const float*>(p);
}

inline void set_value(const Tensor& scalar, double value) {
  void* const p = scalar.mutable_data_ptr();
  if (scalar.scalar_type() == ScalarType::Double) {
    *static_cast<double*>(p) = value;
  } else {
    *static_cast<float*>(p) = static_cast<float>(value);
  }
}

inline Tensor scalar(double value, ScalarType dtype) {
  const Tensor made = empty(Sizes{}, dtype);
  set_value(made, value);
  return made;
}

// Whether the gradient of x exceeds the caches, and is written in runs of whole cache lines.
inline bool exceeds_caches(const Tensor& x, int64_t run) {
  const int64_t size = x.element_size();
  return x.numel() * size >= 8 << 20 && run * size >= 256;
}

inline int64_t grain_of(int64_t elements_of_unit) {
  return std::max<int64_t>(1, 32768 / std::max<int64_t>(elements_of_unit, 1));
}

// Calls work(begin, end, scratch) for parts of [0, units), each with scratch memory of its own.
template <class Work>
void in_parallel(int64_t units, int64_t grain, size_t scratch_bytes, const Work& work) {
  const auto part = [&](int64_t begin, int64_t end) {
    alignas(64) std::byte small[32768];
    if (scratch_bytes <= sizeof(small)) return work(begin, end, reinterpret_cast<char*>(small));
    const size_t bytes = (scratch_bytes + 63) / 64 * 64;
    std::unique_ptr<char, decltype(&std::free)> scratch(static_cast<char*>(std::aligned_alloc(64, bytes)), &std::free);
    if (!scratch) throw std::bad_alloc();
    work(begin, end, scratch.get());
  };
  if (units <= grain) {
    part(0, units);
  } else {
#ifdef __SANITIZE_THREAD__  // which does not see how torch's threads wait for each other
    std::thread other(part, units / 2, units);
    part(0, units / 2);
    other.join();
#else
    torch::stable::parallel_for(0, units, grain, part);
#endif
  }
}

// What the operators of losses end in.
struct Tail {
  const MaybeTensor& row_weight;
  int64_t reduction;
  const MaybeTensor& normalizer;  // of the mean, in place of what was counted
  const MaybeTensor& upstream;    // what gradients are multiplied by

  double divisor(double counted) const {
    if (reduction != mean && reduction != batchmean) return 1;
    return normalizer.has_value() ? value_of(*normalizer) : counted;
  }

  double scale(double divisor) const {
    const double scale = divisor == 0 ? 0 : 1 / divisor;
    return upstream.has_value() ? scale * value_of(*upstream) : scale;
  }
};

// The unreduced loss has the shape of x without dimension `axis`.
struct Unreduced {
  const Tensor& x;
  int64_t axis = -1;

  Sizes sizes() const {
    Sizes sizes;
    for (int64_t d = 0; d < x.dim(); ++d) {
      if (d != axis) sizes.push_back(x.size(d));
    }
    return sizes;
  }
};

// Work units depend on sizes only, so that sums are independent of the number of threads.
inline void divide(Loss& call, int64_t rows_of_unit) {
  call.rows_of_unit = std::max<int64_t>(rows_of_unit, 1);
  call.units = (call.rows + call.rows_of_unit - 1) / call.rows_of_unit;
}

// Memory for the gradients of the inputs whose bits are in `wanted`.
inline std::vector<Tensor> make_gradients(Loss& call, int64_t wanted, std::initializer_list<const Tensor*> inputs) {
  std::vector<Tensor> made;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!(wanted >> i & 1)) continue;
    made.push_back(fresh_like(*inputs.begin()[i]));
    call.gradients[i] = made.back().mutable_data_ptr();
  }
  return made;
}

// The value of a loss, reduced or not, in the dtype of computation; a mean over nothing is 0. counted: what the mean
// divides by. grain: how many units are worth a thread.
template <class Call>
Tensor run(const Kernel<Call>& kernel, Call& call, DType dtype, const Unreduced& unreduced, const Tail& tail,
           double counted, int64_t grain) {
  const double divisor = tail.divisor(counted);
  const bool reduced = tail.reduction != none;
  const Tensor value = empty(reduced ? Sizes{} : unreduced.sizes(), computed_in(dtype));
  double few[16];
  const std::unique_ptr<double[]> many(call.units > 16 ? new double[call.units] : nullptr);
  std::atomic<bool> outside = false;
  call.row_weight = data(tail.row_weight);
  call.scale = tail.scale(divisor);
  call.values = reduced ? nullptr : value.mutable_data_ptr();
  call.sums = many ? many.get() : few;
  call.outside = &outside;
  const auto of_units = kernel.of[dtype];
  in_parallel(call.units, grain, kernel.scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { of_units(call, begin, end, scratch); });
  if (outside) throw std::domain_error(Call::out_of_domain);
  if (!reduced) return value;
  const double total = std::accumulate(call.sums, call.sums + call.units, 0.0);  // in order, whatever the threads' was
  set_value(value, divisor == 0 && total == 0 ? 0 : total / divisor);
  return value;
}

inline double weight_at(const void* weights, DType dtype, int64_t i) {
  if (!weights) return 1.0;
  return dtype == float64 ? static_cast<const double*>(weights)[i] : static_cast<const float*>(weights)[i];
}

// Of some rows: how many count, how many of these have a class that does not exist, and what all weigh.
struct Counted {
  int64_t rows = 0, wrong = 0;
  double weight = 0;
};

inline Counted count(const Rows& call, const void* row_weight, DType dtype, int64_t begin, int64_t end) {
  Counted found;
  for (int64_t i = begin; call.index && i < end; ++i) {
    const int64_t y = call.index[i], here = y != call.ignore_index;
    found.rows += here;
    found.wrong += here & (static_cast<uint64_t>(y) >= static_cast<uint64_t>(call.classes));
  }
  const bool weighted = row_weight || (call.index && call.class_weight);
  if (!weighted) found.weight = static_cast<double>(call.index ? found.rows : end - begin);
  for (int64_t i = begin; weighted && !found.wrong && i < end; ++i) {
    const int64_t y = call.index ? call.index[i] : 0;
    if (call.index && y == call.ignore_index) continue;
    found.weight += weight_at(row_weight, dtype, i) * (call.index ? weight_at(call.class_weight, dtype, y) : 1.0);
  }
  return found;
}

// What the mean divides by; raises where a row that is not ignored has a class that does not exist.
inline double denominator_of(const Rows& call, const void* row_weight, DType dtype) {
  constexpr int64_t rows_of_part = 32768;  // whatever the number of threads, for the same sum
  std::vector<Counted> parts((call.rows + rows_of_part - 1) / rows_of_part);
  in_parallel(static_cast<int64_t>(parts.size()), 1, 0, [&](int64_t begin, int64_t end, char*) {
    for (int64_t k = begin; k < end; ++k) {
      parts[k] = count(call, row_weight, dtype, k * rows_of_part, std::min((k + 1) * rows_of_part, call.rows));
    }
  });
  Counted all;
  for (const Counted& part : parts) {
    all.wrong += part.wrong;
    all.weight += part.weight;
  }
  for (int64_t i = 0; all.wrong && i < call.rows; ++i) {
    const int64_t y = call.index[i];
    if (y == call.ignore_index || (y >= 0 && y < call.classes)) continue;
    throw std::out_of_range("target holds " + std::to_string(y) + " in row " + std::to_string(i) +
                            "; the classes are 0 to " + std::to_string(call.classes - 1));
  }
  return all.weight;
}

// Class indices, or probabilities; which of both is the answer.
inline bool set_target(Rows& call, const Tensor& target) {
  const bool by_index = target.scalar_type() == ScalarType::Long;
  if (by_index) {
    call.index = static_cast<const int64_t*>(target.const_data_ptr());
  } else {
    call.probabilities = target.const_data_ptr();
  }
  return by_index;
}

inline const MaybeTensor nothing;

// What cross-entropy is taken against, and its options: for the operators of logits and those of linear layers.
// target: class indices, sparse targets (N, K) whose parts are the shares, or probabilities like the logits.
struct CrossEntropy {
  const Tensor& target;
  int64_t ignore_index;
  const MaybeTensor& shares = nothing;
  const MaybeTensor& class_weight = nothing;
  double label_smoothing = 0, gamma = 0, softcap = 0, temperature = 1, z_loss = 0;

  bool is_plain() const { return !shares.has_value() && softcap == 0 && temperature == 1 && z_loss == 0; }
};

inline int64_t class_axis(const Tensor& logits) { return std::min<int64_t>(logits.dim() - 1, 1); }

inline void set_rows(Rows& call, const Tensor& logits, const CrossEntropy& options) {
  const int64_t axis = class_axis(logits);
  call.logits = logits.const_data_ptr();
  set_target(call, options.target);
  call.class_weight = data(options.class_weight);
  call.classes = logits.size(axis);
  call.inner = 1;
  for (int64_t d = axis + 1; d < logits.dim(); ++d) call.inner *= logits.size(d);
  call.rows = (axis ? logits.size(0) : 1) * call.inner;
  call.ignore_index = options.ignore_index;
  call.smoothing = options.label_smoothing;
  call.gamma = options.gamma;
}

// Of plain logits and of transformed ones. gradient: where it is written, which may be over the logits, or null.
Tensor softmax_rows_into(void* gradient, const Tensor& logits, const CrossEntropy& options, const Tail& tail);
Tensor transformed_rows_into(void* gradient, const Tensor& logits, const CrossEntropy& options, const Tail& tail);

// Log-probabilities of the classes, entropies, log-sum-exps and most probable classes of rows.
using LogProbs = std::array<Tensor, 4>;
using LogProbAnswer = std::tuple<Tensor, Tensor, Tensor, Tensor>;

LogProbs room_for_log_probs(int64_t rows, DType dtype);
LogProbs log_probs(const Tensor& logits, const CrossEntropy& options);

// The gradient of Σ (d_log_prob · log_prob + d_entropy · entropy + d_lse · lse); upstream: these three.
void log_prob_gradient_into(void* gradient, const Tensor& logits, const CrossEntropy& options,
                            std::array<MaybeTensor, 3> upstream);

}  // namespace lossary
