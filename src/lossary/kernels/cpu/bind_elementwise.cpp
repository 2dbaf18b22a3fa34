// The operator of losses of single elements.
#include "bind.h"

namespace lossary {
namespace {

constexpr int64_t FUNCTION_COUNT = 0
#define LOSSARY_FUNCTION(name) +1
#include "functions.inc"
#undef LOSSARY_FUNCTION
    ;

// third: a second input (with a gradient of its own if it is asked for), or a cycle of weights in the computed dtype.
// row_weight: one weight for each first part of the input.
// function: its place in functions.inc.
Answer elementwise(int64_t function, const Tensor& input, const Tensor& target, const MaybeTensor& third,
                   bool third_is_cycle, const MaybeTensor& weight, double a, double b, const MaybeTensor& row_weight,
                   int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  if (function < 0 || function >= FUNCTION_COUNT) throw std::invalid_argument("no such elementwise function");
  Elementwise call{};
  call.function = function;
  call.input = input.const_data_ptr();
  call.target = target.const_data_ptr();
  call.third = data(third);
  call.third_cycle = third_is_cycle ? third->numel() : 0;
  call.weight = data(weight);
  call.weight_cycle = weight.has_value() ? weight->numel() : 0;
  call.rows = input.numel();
  call.inner = row_weight.has_value() ? call.rows / std::max<int64_t>(row_weight->numel(), 1) : 0;
  call.a = a;
  call.b = b;
  divide(call, call.block);
  const bool by_row = reduction == batchmean && input.dim() > 0;
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input, third.has_value() ? &*third : nullptr});
  return {run(kernels().elementwise, call, dtype_of(input), {input}, {row_weight, reduction, normalizer, upstream},
              static_cast<double>(by_row ? input.size(0) : call.rows), 16),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("elementwise", TORCH_BOX(&lossary::elementwise)); }
