// The operator of Cox's partial likelihood.
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

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

using Places = std::vector<int64_t>;

// The rows in order, each times 16 and with flags below (cox.h): where a time begins, and where a stratum does; durations
// that are negative, and NaN. Durations are compared as T.
template <class D, class T = D>
Places places_of(const Tensor& duration, const MaybeTensor& strata, const int64_t* order, int64_t rows) {
  const D* const time = static_cast<const D*>(duration.const_data_ptr());
  const int64_t* const stratum = static_cast<const int64_t*>(data(strata));
  Places places(rows);
  T before{};
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t r = order[i];
    if (r < 0 || r >= rows) throw std::invalid_argument("order holds no row");
    const T now = static_cast<T>(time[r]);
    const bool parted = i == 0 || (stratum && stratum[r] != stratum[order[i - 1]]);
    places[i] = 16 * r + (parted || now != before) + 2 * parted + 4 * (now < T(0)) + 8 * (now != now);
    before = now;
  }
  return places;
}

Places places_of(const Tensor& duration, const MaybeTensor& strata, const int64_t* order, int64_t rows) {
  switch (duration.scalar_type()) {
    case ScalarType::Double: return places_of<double>(duration, strata, order, rows);
    case ScalarType::Float: return places_of<float>(duration, strata, order, rows);
    case ScalarType::Half: return places_of<torch::headeronly::Half, float>(duration, strata, order, rows);
    case ScalarType::BFloat16: return places_of<torch::headeronly::BFloat16, float>(duration, strata, order, rows);
    case ScalarType::Long: return places_of<int64_t>(duration, strata, order, rows);
    case ScalarType::Int: return places_of<int32_t>(duration, strata, order, rows);
    case ScalarType::Short: return places_of<int16_t>(duration, strata, order, rows);
    case ScalarType::Char: return places_of<int8_t>(duration, strata, order, rows);
    case ScalarType::Byte: return places_of<uint8_t, int32_t>(duration, strata, order, rows);
    default: throw std::invalid_argument("durations must be of a floating dtype, a signed one or uint8");
  }
}

// All (N). order: the rows by stratum and duration. members: 0 for rows that are not in the batch.
Answer cox(const Tensor& input, const Tensor& duration, const Tensor& event, const MaybeTensor& strata,
           const Tensor& order, const MaybeTensor& members, bool efron, const MaybeTensor& row_weight,
           int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  Cox call{};
  call.input = input.const_data_ptr();
  call.rows = input.numel();
  call.rows_of_unit = call.rows;
  call.units = 1;
  call.events = event.const_data_ptr();
  call.members = data(members);
  call.efron = efron;
  const DType dtype = dtype_of(input);
  const bool fit = order.numel() == call.rows && event.numel() == call.rows && duration.numel() == call.rows;
  if (order.scalar_type() != ScalarType::Long || !fit) {
    throw std::invalid_argument("order must be an int64 tensor, and event and duration of the shape of the input");
  }
  const Places places = places_of(duration, strata, static_cast<const int64_t*>(order.const_data_ptr()), call.rows);
  call.places = places.data();
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input});
  return {run(kernels().cox, call, dtype, {input}, {row_weight, reduction, normalizer, upstream},
              weight_of_events(call, data(row_weight), dtype), 1),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("cox", TORCH_BOX(&lossary::cox)); }
