// The operators of torch, over its stable ABI: one shared object for many versions of torch and Python.
#include "bind.h"

namespace lossary {
namespace {

// Units by the sizes alone, so that sums do not depend on the number of threads: of rows, or of positions of an image,
// which has eight at least. An odd number of vectors: what lies a power of 2 apart shares few places in a cache.
int64_t divide(Rows& call, int64_t elements, int64_t fewest, int64_t most) {
  const int64_t classes = std::max<int64_t>(call.classes, 1), inner = std::max<int64_t>(call.inner, 1);
  const int64_t positions = std::clamp<int64_t>(std::min(elements / classes, inner / 8), fewest, most);
  call.rows_of_unit = inner == 1 ? std::max<int64_t>(1, 16384 / classes) : ((positions / 16 - 1) | 1) * 16;
  const int64_t together = inner == 1 ? call.rows : inner;
  return (together + call.rows_of_unit - 1) / call.rows_of_unit * (inner == 1 ? 1 : call.rows / inner);
}

}  // namespace

Tensor softmax_rows_into(void* gradient, const Tensor& logits, const Tensor& target, const MaybeTensor& weight,
                         int64_t ignore_index, double label_smoothing, double gamma, const MaybeTensor& row_weight,
                         int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream) {
  const DType dtype = dtype_of(logits);
  const int64_t axis = std::min<int64_t>(logits.dim() - 1, 1);
  Rows call = rows_of(logits, target, weight, ignore_index, row_weight, axis);
  call.smoothing = label_smoothing;
  call.gamma = gamma;
  const double divisor = divisor_of(reduction, normalizer, denominator_of(call, dtype));
  call.scale = scale_of(divisor, upstream);
  call.gradient = gradient;
  Output output(logits, axis, axis + 1, reduction);
  call.values = output.values;
  const int64_t units = divide(call, 32768, 32, 4096);
  const int64_t together = call.inner == 1 ? call.classes : call.rows_of_unit;
  call.past_caches = gradient != call.logits && exceeds_caches(logits, together);
  Sums sums(units);
  call.sums = sums.data();
  std::atomic<bool> outside = false;
  call.outside = &outside;
  const auto kernel = kernels().rows[dtype];
  in_parallel(units, grain_of(call.classes * call.rows_of_unit), kernels().rows_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  if (outside) throw std::domain_error("target holds a value outside [0, 1]");
  output.finish(sums.total(), divisor);
  return output.tensor;
}

namespace {

Answer softmax_rows(const Tensor& logits, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                    double label_smoothing, double gamma, const MaybeTensor& row_weight, int64_t reduction,
                    const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  std::vector<Tensor> gradients;
  void* const gradient = wanted ? add_gradient(gradients, logits) : nullptr;
  return {softmax_rows_into(gradient, logits, target, weight, ignore_index, label_smoothing, gamma, row_weight,
                            reduction, normalizer, upstream),
          gradients};
}

// The gradient over the logits.
Tensor softmax_rows_(Tensor logits, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                     double label_smoothing, double gamma, const MaybeTensor& row_weight, int64_t reduction,
                     const MaybeTensor& normalizer, const MaybeTensor& upstream) {
  return softmax_rows_into(logits.mutable_data_ptr(), logits, target, weight, ignore_index, label_smoothing, gamma,
                           row_weight, reduction, normalizer, upstream);
}

Answer nll(const Tensor& log_probabilities, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
           const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
           const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(log_probabilities);
  const int64_t axis = std::min<int64_t>(log_probabilities.dim() - 1, 1);
  Rows call = rows_of(log_probabilities, target, weight, ignore_index, row_weight, axis);
  if (!call.index) throw std::invalid_argument("nll takes class indices");
  const double divisor = divisor_of(reduction, normalizer, denominator_of(call, dtype));
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  if (wanted) call.gradient = add_gradient(gradients, log_probabilities);
  Output output(log_probabilities, axis, axis + 1, reduction);
  call.values = output.values;
  const int64_t units = divide(call, 262144, 1024, 16384);
  Sums sums(units);
  call.sums = sums.data();
  const auto kernel = kernels().nll[dtype];
  in_parallel(units, grain_of(call.rows_of_unit * (wanted ? call.classes : 64)), 0,
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  output.finish(sums.total(), divisor);
  return {output.tensor, gradients};
}

// Classes are the last dimension of (N, C).
Answer kl_rows(const Tensor& input_logits, const Tensor& target_logits, double temperature,
               const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
               const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(input_logits);
  const int64_t axis = std::min<int64_t>(input_logits.dim() - 1, 1);
  if (input_logits.dim() > 2) throw std::invalid_argument("kl_rows takes logits (N, C): classes of each row together");
  Divergence call{};
  call.input = input_logits.const_data_ptr();
  call.target = target_logits.const_data_ptr();
  call.row_weight = data(row_weight);
  call.classes = input_logits.size(axis);
  call.rows = axis ? input_logits.size(0) : 1;
  call.temperature = temperature;
  const double divisor = divisor_of(reduction, normalizer, static_cast<double>(call.rows));
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  if (wanted & 1) call.gradient[0] = add_gradient(gradients, input_logits);
  if (wanted & 2) call.gradient[1] = add_gradient(gradients, target_logits);
  call.past_caches = exceeds_caches(input_logits, call.classes);
  Output output(input_logits, axis, axis + 1, reduction);
  call.values = output.values;
  call.rows_of_unit = std::max<int64_t>(1, 16384 / std::max<int64_t>(call.classes, 1));
  const int64_t units = (call.rows + call.rows_of_unit - 1) / call.rows_of_unit;
  Sums sums(units);
  call.sums = sums.data();
  const auto kernel = kernels().divergences[dtype];
  in_parallel(units, grain_of(call.classes * call.rows_of_unit), kernels().divergences_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  output.finish(sums.total(), divisor);
  return {output.tensor, gradients};
}

constexpr int64_t FUNCTION_COUNT = 0
#define LOSSARY_FUNCTION(name) +1
#include "functions.inc"
#undef LOSSARY_FUNCTION
    ;
const char* const FUNCTIONS =
#define LOSSARY_FUNCTION(name) #name " "
#include "functions.inc"
#undef LOSSARY_FUNCTION
    ;

// third: a second input (with a gradient of its own if it is asked for), or a cycle of weights in the computed dtype.
// row_weight: one weight for each first part of the input.
// function: its place in functions.inc.
Answer elementwise(int64_t function, const Tensor& input, const Tensor& target, const MaybeTensor& third,
                   bool third_is_cycle, const MaybeTensor& weight, double a, double b, const MaybeTensor& row_weight,
                   int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(input);
  if (function < 0 || function >= FUNCTION_COUNT) throw std::invalid_argument("no such elementwise function");
  Elementwise call{};
  call.function = function;
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
  const bool by_row = reduction == batchmean && input.dim() > 0;
  const double divisor = divisor_of(reduction, normalizer, static_cast<double>(by_row ? input.size(0) : call.n));
  call.scale = scale_of(divisor, upstream);

  std::vector<Tensor> gradients;
  if (wanted & 1) call.dx = add_gradient(gradients, input);
  if (wanted & 2) call.du = add_gradient(gradients, *third);
  Output output(input, 0, 0, reduction);
  call.values = output.values;

  const int64_t block = kernels().elementwise_block, units = (call.n + block - 1) / block;
  Sums sums(units);
  std::atomic<bool> outside = false;
  call.sums = sums.data();
  call.outside = &outside;
  const auto kernel = kernels().elementwise[dtype];
  in_parallel(units, 16, kernels().elementwise_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  if (outside) throw std::domain_error("input or target holds a value outside its domain");
  output.finish(sums.total(), divisor);
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
  for (int64_t d = 0; d + 1 < x1.dim(); ++d) call.rows *= x1.size(d);
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
  Output output(x1, x1.dim() - 1, x1.dim(), reduction);
  call.values = output.values;

  call.rows_of_unit = std::max<int64_t>(1, 4096 / std::max<int64_t>(call.width, 1));
  const int64_t units = (call.rows + call.rows_of_unit - 1) / call.rows_of_unit;
  Sums sums(units);
  call.sums = sums.data();
  const auto kernel = kernels().pairs[dtype];
  in_parallel(units, 8, kernels().pairs_scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  output.finish(sums.total(), divisor);
  return {output.tensor, gradients};
}

// Bytes that are kept for gradients to come.
int64_t gradient_memory_held() { return static_cast<int64_t>(gradient_memory.held()); }

// Of those, the most; a limit that is given is set first.
int64_t gradient_memory_limit(const std::optional<int64_t>& bytes) {
  if (bytes.has_value()) gradient_memory.set_limit(static_cast<size_t>(*bytes));
  return static_cast<int64_t>(gradient_memory.limit());
}

std::string instruction_set() { return kernels().instruction_set; }

}  // namespace
}  // namespace lossary

// What is called when the library is loaded. No operators: whatever mode or transformation is at work then would take them
// for the program's own.
extern "C" {
#define VISIBLE __attribute__((visibility("default")))

// The names of elementwise functions, each followed by a space: the place of a name is its number.
VISIBLE const char* lossary_elementwise_functions() { return lossary::FUNCTIONS; }

// function: a LetResize, by its address.
VISIBLE void lossary_let_resize_by(void* function) {
  lossary::let_resize = reinterpret_cast<lossary::LetResize>(function);
}
}

STABLE_TORCH_LIBRARY(lossary, m) {
  for (const char* const schema : {
#include "../schemas.inc"
       }) {
    m.def(schema);
  }
}

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("softmax_rows", TORCH_BOX(&lossary::softmax_rows));
  m.impl("softmax_rows_", TORCH_BOX(&lossary::softmax_rows_));
  m.impl("nll", TORCH_BOX(&lossary::nll));
  m.impl("kl_rows", TORCH_BOX(&lossary::kl_rows));
  m.impl("elementwise", TORCH_BOX(&lossary::elementwise));
  m.impl("pairs", TORCH_BOX(&lossary::pairs));
}

STABLE_TORCH_LIBRARY_IMPL(lossary, CompositeExplicitAutograd, m) {
  m.impl("gradient_memory_held", TORCH_BOX(&lossary::gradient_memory_held));
  m.impl("gradient_memory_limit", TORCH_BOX(&lossary::gradient_memory_limit));
  m.impl("instruction_set", TORCH_BOX(&lossary::instruction_set));
}
