// What the operators of sequences check of lengths and labels, which reach memory unseen otherwise.
#pragma once

#include "bind.h"

namespace lossary {

inline std::string at(const char* name, int64_t value, int64_t place) {
  return std::string(name) + " holds " + std::to_string(value) + " at [" + std::to_string(place) + "]";
}

// Lengths of the batch, each 0 to `most`.
inline const int64_t* lengths_of(const Tensor& lengths, const char* name, int64_t batch, int64_t most) {
  if (lengths.scalar_type() != ScalarType::Long || lengths.numel() != batch) {
    throw std::invalid_argument(std::string(name) + " must be an int64 tensor with one length for each sample");
  }
  const int64_t* const values = static_cast<const int64_t*>(lengths.const_data_ptr());
  for (int64_t n = 0; n < batch; ++n) {
    if (values[n] < 0 || values[n] > most) {
      throw std::invalid_argument(at(name, values[n], n) + "; it must be 0 to " + std::to_string(most));
    }
  }
  return values;
}

inline void check_label(int64_t label, int64_t place, int64_t classes, int64_t blank) {
  if (label < 0 || label >= classes) {
    throw std::out_of_range(at("targets", label, place) + "; the classes are 0 to " + std::to_string(classes - 1));
  }
  if (label == blank) throw std::invalid_argument(at("targets", label, place) + ", which is the blank");
}

}  // namespace lossary
