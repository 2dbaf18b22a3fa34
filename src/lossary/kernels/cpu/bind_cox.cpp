// The operator of Cox's partial likelihood.
#include "bind.h"

namespace lossary {
namespace {

// What the mean divides by: the weights of the events. Rows of weight 0 may hold anything.
double weight_of_events(const Cox& call, const void* row_weight, DType dtype) {
  double total = 0;
  for (int64_t r = 0; r < call.rows; ++r) {
    const double weight = weight_at(row_weight, dtype, r);
    if (weight != 0) total += weight * weight_at(call.events, dtype, r);
  }
  return total;
}

// input, event: (N). places: (N), rows in order of stratum and duration, each times 16 and with flags below (cox.h), which
// stand for strata and durations of any dtype; these are here for the derivatives of the gradient, which need the formula.
// members: (N), 0 for rows that are not in the batch.
Answer cox(const Tensor& input, const Tensor&, const Tensor& event, const MaybeTensor&, const Tensor& places,
           const MaybeTensor& members, bool efron, const MaybeTensor& row_weight, int64_t reduction,
           const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  Cox call{};
  call.input = input.const_data_ptr();
  call.rows = input.numel();
  call.rows_of_unit = call.rows;
  call.units = 1;
  call.places = static_cast<const int64_t*>(places.const_data_ptr());
  call.events = event.const_data_ptr();
  call.members = data(members);
  call.efron = efron;
  const DType dtype = dtype_of(input);
  if (places.scalar_type() != ScalarType::Long || places.numel() != call.rows || event.numel() != call.rows) {
    throw std::invalid_argument("places must be an int64 tensor, and event one like the input");
  }
  for (int64_t i = 0; i < call.rows; ++i) {
    if (call.places[i] < 0 || call.places[i] / 16 >= call.rows) throw std::invalid_argument("places holds no row");
  }
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input});
  return {run(kernels().cox, call, dtype, {input}, {row_weight, reduction, normalizer, upstream},
              weight_of_events(call, data(row_weight), dtype), 1),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("cox", TORCH_BOX(&lossary::cox)); }
