// The operator of losses of pairs of boxes.
#include "bind.h"

namespace lossary {
namespace {

Answer boxes(const Tensor& input, const Tensor& target, int64_t kind, int64_t corners, bool held_alpha,
             const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
             const MaybeTensor& upstream, int64_t wanted) {
  if (kind < 0 || kind > 4) throw std::invalid_argument("there is no kind " + std::to_string(kind) + " of overlap");
  if (corners < 0 || corners > 2) throw std::invalid_argument("there is no format " + std::to_string(corners));
  BoxPairs call{};
  call.kind = kind;
  call.corners = corners;
  call.held_alpha = held_alpha;
  call.input = input.const_data_ptr();
  call.target = target.const_data_ptr();
  call.rows = input.numel() / 4;
  divide(call, call.block);
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input});
  return {run(kernels().boxes, call, dtype_of(input), {input, input.dim() - 1},
              {row_weight, reduction, normalizer, upstream}, static_cast<double>(call.rows), 16),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("boxes", TORCH_BOX(&lossary::boxes)); }
