// The operator of losses of single elements.
#include "bind.h"

namespace lossary {
namespace {

struct Function {
  const char* name;
  size_t parameters;
};
constexpr Function FUNCTIONS[] = {
#define LOSSARY_FUNCTION(name, parameters) {#name, parameters},
#include "../functions.inc"
#undef LOSSARY_FUNCTION
};

const Function& function_of(int64_t place) {
  if (place < 0 || place >= static_cast<int64_t>(std::size(FUNCTIONS))) {
    throw std::invalid_argument("there is no elementwise function " + std::to_string(place));
  }
  return FUNCTIONS[place];
}

// third: a second input (with a gradient of its own if it is asked for), or a cycle of weights in the computed dtype.
// row_weight: one weight for each first part of the input. function: its place in functions.inc.
Answer elementwise_parameters(int64_t function, const Tensor& input, const Tensor& target, const MaybeTensor& third,
                              bool third_is_cycle, const MaybeTensor& weight, const std::vector<double>& parameters,
                              const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                              const MaybeTensor& upstream, int64_t wanted) {
  const auto& [name, count] = function_of(function);
  if (parameters.size() != count) {
    throw std::invalid_argument(std::string(name) + " takes " + std::to_string(count) + " parameters; got " +
                                std::to_string(parameters.size()));
  }
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
  call.parameters = parameters.data();
  divide(call, call.block);
  const bool by_row = reduction == batchmean && input.dim() > 0;
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input, third.has_value() ? &*third : nullptr});
  return {run(kernels().elementwise, call, dtype_of(input), {input}, {row_weight, reduction, normalizer, upstream},
              static_cast<double>(by_row ? input.size(0) : call.rows), 16),
          std::move(gradients)};
}

// As programs hold it that were exported when functions took two parameters, whether they needed them or not.
Answer elementwise(int64_t function, const Tensor& input, const Tensor& target, const MaybeTensor& third,
                   bool third_is_cycle, const MaybeTensor& weight, double a, double b, const MaybeTensor& row_weight,
                   int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const double both[] = {a, b};
  const std::vector<double> parameters(both, both + std::min<size_t>(function_of(function).parameters, 2));
  return elementwise_parameters(function, input, target, third, third_is_cycle, weight, parameters, row_weight,
                                reduction, normalizer, upstream, wanted);
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("elementwise", TORCH_BOX(&lossary::elementwise));
  m.impl("elementwise.parameters", TORCH_BOX(&lossary::elementwise_parameters));
}
