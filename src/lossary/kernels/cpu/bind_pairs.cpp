// The operator of losses of rows of vectors.
#include "bind.h"

namespace lossary {
namespace {

// x3 makes it the triplet loss; target belongs to the cosine loss.
Answer pairs(const Tensor& x1, const Tensor& x2, const MaybeTensor& x3, const MaybeTensor& target, double margin,
             double eps, bool swap, const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
             const MaybeTensor& upstream, int64_t wanted) {
  Pairs call{};
  call.triplet = x3.has_value();
  call.x[0] = x1.const_data_ptr();
  call.x[1] = x2.const_data_ptr();
  call.x[2] = data(x3);
  call.target = data(target);
  call.width = x1.size(x1.dim() - 1);
  call.margin = margin;
  call.eps = eps;
  call.swap = swap;
  call.rows = 1;
  for (int64_t d = 0; d + 1 < x1.dim(); ++d) call.rows *= x1.size(d);
  divide(call, 4096 / std::max<int64_t>(call.width, 1));
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&x1, &x2, x3.has_value() ? &*x3 : nullptr});
  return {run(kernels().pairs, call, dtype_of(x1), {x1, x1.dim() - 1}, {row_weight, reduction, normalizer, upstream},
              static_cast<double>(call.rows), 8),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("pairs", TORCH_BOX(&lossary::pairs)); }
