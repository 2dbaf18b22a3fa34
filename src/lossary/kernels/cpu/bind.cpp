// The operators of torch, over its stable ABI: one shared object for many versions of torch and Python.
#include <sys/mman.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "api.h"

namespace lossary {

#if defined(__x86_64__)
extern const Kernels kernels_x86_64_v4, kernels_x86_64_v3, kernels_x86_64_v2;
#else
extern const Kernels kernels_native;
#endif

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using MaybeTensor = std::optional<Tensor>;

const Kernels& kernels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  static const Kernels& best = __builtin_cpu_supports("x86-64-v4")   ? kernels_x86_64_v4
                               : __builtin_cpu_supports("x86-64-v3") ? kernels_x86_64_v3
                                                                     : kernels_x86_64_v2;
  return best;
#else
  return kernels_native;
#endif
}

DType dtype_of(const Tensor& x) {
  switch (x.scalar_type()) {
    case ScalarType::Double: return float64;
    case ScalarType::Float: return float32;
    case ScalarType::Half: return float16;
    case ScalarType::BFloat16: return bfloat16;
    default: throw std::runtime_error("lossary: the kernels take fp64, fp32, fp16 and bf16");
  }
}

ScalarType computed_in(DType dtype) { return dtype == float64 ? ScalarType::Double : ScalarType::Float; }

enum Reduction : int64_t { none, mean, sum };

using Answer = std::tuple<Tensor, std::vector<Tensor>>;

const void* data(const MaybeTensor& x) { return x.has_value() ? x->const_data_ptr() : nullptr; }

// Memory as the caller's, in huge pages where it is large: half of a large gradient's time was its page faults.
Tensor fresh_like(const Tensor& x) {
  Tensor y = torch::stable::empty_like(x);
  constexpr uintptr_t page = 4096, huge = 2u << 20;
  const size_t bytes = static_cast<size_t>(y.numel()) * y.element_size();
  if (bytes >= 2 * huge) {
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(y.mutable_data_ptr()) + page - 1) / page * page;
    madvise(reinterpret_cast<void*>(begin), bytes - page, MADV_HUGEPAGE);
  }
  return y;
}

double value_of(const Tensor& scalar) {
  const void* p = scalar.const_data_ptr();
  return scalar.scalar_type() == ScalarType::Double ? *static_cast<const double*>(p) : *static_cast<const float*>(p);
}

// The unreduced values, or room for the reduced one, in the dtype of computation.
struct Output {
  Tensor tensor;
  void* values = nullptr;
  bool reduced;

  Output(const Tensor& input, const std::vector<int64_t>& shape, int64_t reduction) : reduced(reduction != none) {
    const ScalarType wide = computed_in(dtype_of(input));
    tensor = reduced ? torch::stable::new_empty(input, {}, wide) : torch::stable::new_empty(input, shape, wide);
    if (!reduced) values = tensor.mutable_data_ptr();
  }

  // In the order of the units: the same sum for any number of threads. A mean over nothing is 0.
  void finish(const std::vector<double>& sums, double divisor) {
    if (!reduced) return;
    double total = 0;
    for (const double part : sums) total += part;
    const double value = divisor == 0 && total == 0 ? 0 : total / divisor;
    void* const place = tensor.mutable_data_ptr();
    if (tensor.scalar_type() == ScalarType::Double) {
      *static_cast<double*>(place) = value;
    } else {
      *static_cast<float*>(place) = static_cast<float>(value);
    }
  }
};

double divisor_of(int64_t reduction, const MaybeTensor& normalizer, double counted) {
  if (reduction != mean) return 1;
  return normalizer.has_value() ? value_of(*normalizer) : counted;
}

double scale_of(double divisor, const MaybeTensor& upstream) {
  const double scale = divisor == 0 ? 0 : 1 / divisor;
  return upstream.has_value() ? scale * value_of(*upstream) : scale;
}

void* add_gradient(std::vector<Tensor>& gradients, const Tensor& input) {
  gradients.push_back(fresh_like(input));
  return gradients.back().mutable_data_ptr();
}

// Calls work(begin, end, scratch) for parts of [0, units), each with scratch memory of its own.
template <class Work>
void in_parallel(int64_t units, int64_t grain, size_t scratch_bytes, const Work& work) {
  torch::stable::parallel_for(0, units, grain, [&](int64_t begin, int64_t end) {
    const size_t bytes = (scratch_bytes + 63) / 64 * 64;
    std::unique_ptr<char, decltype(&std::free)> scratch(static_cast<char*>(std::aligned_alloc(64, bytes)), &std::free);
    if (!scratch) throw std::bad_alloc();
    work(begin, end, scratch.get());
  });
}

double weight_at(const void* weights, DType dtype, int64_t i) {
  if (!weights) return 1.0;
  return dtype == float64 ? static_cast<const double*>(weights)[i] : static_cast<const float*>(weights)[i];
}

// What the mean divides by; raises where a row that is not ignored has a class that does not exist.
double denominator_of(const Rows& call, DType dtype) {
  double total = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    double weight = weight_at(call.row_weight, dtype, i);
    if (call.index) {
      const int64_t y = call.index[i];
      if (y == call.ignore_index) continue;
      if (y < 0 || y >= call.classes) {
        throw std::out_of_range("target holds " + std::to_string(y) + " in row " + std::to_string(i) +
                                "; the classes are 0 to " + std::to_string(call.classes - 1));
      }
      weight *= weight_at(call.class_weight, dtype, y);
    }
    total += weight;
  }
  return total;
}

Answer softmax_rows(const Tensor& logits, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                    double label_smoothing, double gamma, const MaybeTensor& row_weight, int64_t reduction,
                    const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(logits);
  const int64_t axis = std::min<int64_t>(logits.dim() - 1, 1);
  const bool by_index = target.scalar_type() == ScalarType::Long;

  Rows call{};
  call.logits = logits.const_data_ptr();
  (by_index ? reinterpret_cast<const void*&>(call.index) : call.probabilities) = target.const_data_ptr();
  call.class_weight = data(weight);
  call.row_weight = data(row_weight);
  call.classes = logits.size(axis);
  call.inner = 1;
  for (int64_t d = axis + 1; d < logits.dim(); ++d) call.inner *= logits.size(d);
  call.rows = (axis ? logits.size(0) : 1) * call.inner;
  call.ignore_index = ignore_index;
  call.smoothing = label_smoothing;
  call.gamma = gamma;

  const double counted = denominator_of(call, dtype);
  const double divisor = divisor_of(reduction, normalizer, counted);
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  if (wanted) call.gradient = add_gradient(gradients, logits);
  std::vector<int64_t> shape;
  for (int64_t d = 0; d < logits.dim(); ++d) {
    if (d != axis) shape.push_back(logits.size(d));
  }
  Output output(logits, shape, reduction);
  call.values = output.values;

  // Units by the sizes alone, so that sums do not depend on the number of threads.
  const int64_t classes = std::max<int64_t>(call.classes, 1);
  if (call.inner == 1) {
    call.rows_of_unit = std::max<int64_t>(1, 16384 / classes);
  } else {
    call.rows_of_unit = std::clamp<int64_t>(65536 / classes / 16 * 16, 16, 1024);
  }
  const int64_t images = call.rows / std::max<int64_t>(call.inner, 1);
  const int64_t groups = call.inner == 1 ? call.rows : call.inner;
  const int64_t units = (groups + call.rows_of_unit - 1) / call.rows_of_unit * (call.inner == 1 ? 1 : images);
  std::vector<double> sums(units);
  call.sums = sums.data();
  int32_t outside = 0;
  call.outside = &outside;
  const int64_t grain = std::max<int64_t>(1, 32768 / (classes * call.rows_of_unit));
  const auto kernel = kernels().rows[dtype];
  in_parallel(units, grain, kernels().rows_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  if (outside) throw std::domain_error("target holds a value outside [0, 1]");
  output.finish(sums, divisor);
  return {output.tensor, gradients};
}



int64_t function_of(const std::string& name) {
  static const char* const names[] = {
#define LOSSARY_FUNCTION(name) #name,
#include "functions.inc"
#undef LOSSARY_FUNCTION
  };
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) throw std::runtime_error("lossary: no elementwise function " + name);
  return found - std::begin(names);
}

// third: a second input (with a gradient of its own if it is asked for), or a cycle of weights in the computed dtype.
// row_weight: one weight for each first part of the input.
Answer elementwise(const std::string& function, const Tensor& input, const Tensor& target, const MaybeTensor& third,
                   bool third_is_cycle, const MaybeTensor& weight, double a, double b, const MaybeTensor& row_weight,
                   int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(input);
  Elementwise call{};
  call.function = function_of(function);
  call.input = input.const_data_ptr();
  call.target = target.const_data_ptr();
  call.third = data(third);
  call.third_cycle = third_is_cycle ? third->numel() : 0;
  call.weight = data(weight);
  call.weight_cycle = weight.has_value() ? weight->numel() : 0;
  call.row_weight = data(row_weight);
  call.n = input.numel();
  call.inner = row_weight.has_value() ? call.n / std::max<int64_t>(row_weight->numel(), 1) : 0;
  call.a = a;
  call.b = b;
  const double divisor = divisor_of(reduction, normalizer, static_cast<double>(call.n));
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  if (wanted & 1) call.dx = add_gradient(gradients, input);
  if (wanted & 2) call.du = add_gradient(gradients, *third);
  std::vector<int64_t> shape;
  for (int64_t d = 0; d < input.dim(); ++d) shape.push_back(input.size(d));
  Output output(input, shape, reduction);
  call.values = output.values;

  const int64_t block = kernels().elementwise_block, units = (call.n + block - 1) / block;
  std::vector<double> sums(units);
  int32_t outside = 0;
  call.sums = sums.data();
  call.outside = &outside;
  const auto kernel = kernels().elementwise[dtype];
  in_parallel(units, 16, 8 * block * sizeof(double),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  if (outside) throw std::domain_error("input or target holds a value outside its domain");
  output.finish(sums, divisor);
  return {output.tensor, gradients};
}

// x3 makes it the triplet loss; target belongs to the cosine loss.
Answer pairs(const Tensor& x1, const Tensor& x2, const MaybeTensor& x3, const MaybeTensor& target, double margin,
             double eps, bool swap, const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
             const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(x1);
  Pairs call{};
  call.triplet = x3.has_value();
  call.x[0] = x1.const_data_ptr();
  call.x[1] = x2.const_data_ptr();
  call.x[2] = data(x3);
  call.target = data(target);
  call.row_weight = data(row_weight);
  call.width = x1.size(x1.dim() - 1);
  call.rows = 1;
  std::vector<int64_t> shape;
  for (int64_t d = 0; d + 1 < x1.dim(); ++d) {
    shape.push_back(x1.size(d));
    call.rows *= x1.size(d);
  }
  call.margin = margin;
  call.eps = eps;
  call.swap = swap;
  const double divisor = divisor_of(reduction, normalizer, static_cast<double>(call.rows));
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  const Tensor* const inputs[] = {&x1, &x2, x3.has_value() ? &*x3 : nullptr};
  for (int i = 0; i < 3; ++i) {
    if (wanted >> i & 1) call.gradient[i] = add_gradient(gradients, *inputs[i]);
  }
  Output output(x1, shape, reduction);
  call.values = output.values;

  call.rows_of_unit = std::max<int64_t>(1, 4096 / std::max<int64_t>(call.width, 1));
  const int64_t units = (call.rows + call.rows_of_unit - 1) / call.rows_of_unit;
  std::vector<double> sums(units);
  call.sums = sums.data();
  const auto kernel = kernels().pairs[dtype];
  in_parallel(units, 8, kernels().pairs_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  output.finish(sums, divisor);
  return {output.tensor, gradients};
}

std::string instruction_set() { return kernels().instruction_set; }

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY(lossary, m) {
  const std::string tail =
      "Tensor? row_weight, int reduction, Tensor? normalizer, Tensor? upstream, int gradients) -> (Tensor, Tensor[])";
  m.def(("softmax_rows(Tensor logits, Tensor target, Tensor? weight, int ignore_index, float label_smoothing, "
         "float gamma, " + tail).c_str());
  m.def(("elementwise(str function, Tensor input, Tensor target, Tensor? third, bool third_is_cycle, Tensor? weight, "
         "float a, float b, " + tail).c_str());
  m.def(("pairs(Tensor x1, Tensor x2, Tensor? x3, Tensor? target, float margin, float eps, bool swap, " + tail).c_str());
  m.def("instruction_set() -> str");
}

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("softmax_rows", TORCH_BOX(&lossary::softmax_rows));
  m.impl("elementwise", TORCH_BOX(&lossary::elementwise));
  m.impl("pairs", TORCH_BOX(&lossary::pairs));
}

STABLE_TORCH_LIBRARY_IMPL(lossary, CompositeExplicitAutograd, m) {
  m.impl("instruction_set", TORCH_BOX(&lossary::instruction_set));
}
