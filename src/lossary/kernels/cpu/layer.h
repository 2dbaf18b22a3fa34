// A linear layer whose logits are never whole: chunks of rows go through one buffer, where each chunk's logits become
// their gradient, which that chunk's part of the other gradients is made of at once.
//
// Shapes: N rows, D features, C classes, d the positions that each row is classified at (none as a rule).
#pragma once

#include <cstring>

#include "products.h"

namespace lossary {
namespace {

// Rows of the weights' gradient that are made at once in half precision: they stay in the cache until fp32 has them.
constexpr int64_t PART = 4096;

// Rows [begin, begin + count) of those that count, with their features and logits padded to whole blocks.
struct Chunk {
  const int64_t* places;  // of all rows that count, or null where that is every row
  int64_t begin, count;
  Tensor features, logits;
  bool features_are_copied;

  // Rows of the input are dense, as are those of all that is gathered.
  Chunk(const Tensor& input, const int64_t* places, int64_t begin, int64_t count, const Tensor& buffer)
      : places(places), begin(begin), count(count), features_are_copied(places || count % BLOCK) {
    features = features_are_copied ? gathered(input, padded(count)) : slice(input, begin, count);
    logits = slice(buffer, 0, padded(count));
  }

  Tensor without_padding(const Tensor& blocks) const { return slice(blocks, 0, count); }
  Tensor part(const Tensor& x) const { return places ? gathered(x, count) : slice(x, begin, count); }
  MaybeTensor part(const MaybeTensor& x) const { return x.has_value() ? MaybeTensor(part(*x)) : x; }

  void put(const Tensor& into, const Tensor& rows) const {
    char* const to = static_cast<char*>(into.mutable_data_ptr());
    const char* const from = static_cast<const char*>(rows.const_data_ptr());
    const int64_t size = size_of_row(into);
    each_row(size, [&](int64_t i) { std::memcpy(to + place(i) * size, from + i * size, size); });
  }

 private:
  static int64_t size_of_row(const Tensor& x) { return x.numel() / x.size(0) * x.element_size(); }

  int64_t place(int64_t i) const { return places ? places[begin + i] : begin + i; }

  template <class Work>
  void each_row(int64_t size, const Work& work) const {
    in_parallel(count, grain_of(size / 4), 0, [&](int64_t first, int64_t last, char*) {
      for (int64_t i = first; i < last; ++i) work(i);
    });
  }

  // These rows of x, and zeros for the rest.
  Tensor gathered(const Tensor& x, int64_t rows) const {
    const Tensor made = empty(with_rows(x, rows), x.scalar_type());
    char* const to = static_cast<char*>(made.mutable_data_ptr());
    const char* const from = static_cast<const char*>(x.const_data_ptr());
    const int64_t size = size_of_row(made), apart = x.stride(0) * x.element_size();
    each_row(size, [&](int64_t i) { std::memcpy(to + i * size, from + place(i) * apart, size); });
    std::memset(to + count * size, 0, (rows - count) * size);
    return made;
  }
};

using Places = std::optional<std::vector<int64_t>>;

// A linear layer whose logits are made chunk by chunk, in the same memory.
struct Layer {
  const Tensor& weight;
  const MaybeTensor& bias;
  const Tensor input;           // (N, D), dense rows
  const Tensor columns;         // (C · d, D)
  const MaybeTensor flat_bias;  // (C · d)
  const Places places;
  int64_t rows, chunks, rows_of_chunk;

  Layer(const Tensor& x, const Tensor& weight, const MaybeTensor& bias, Places those, int64_t memory_budget)
      : weight(weight), bias(bias), input(x.stride(1) == 1 ? x : torch::stable::contiguous(x)),
        columns(weight.dim() == 2 ? weight : torch::stable::flatten(weight, 0, -2)),
        flat_bias(bias.has_value() && bias->dim() > 1 ? MaybeTensor(torch::stable::flatten(*bias)) : bias),
        places(std::move(those)), rows(places ? static_cast<int64_t>(places->size()) : x.size(0)) {
    const int64_t most = std::max<int64_t>(memory_budget / (columns.size(0) * x.element_size()) / BLOCK, 1) * BLOCK;
    chunks = (rows + most - 1) / most;
    rows_of_chunk = padded((rows + chunks - 1) / std::max<int64_t>(chunks, 1));  // about equal
  }

  template <class Work>
  void each_chunk(const Work& work) const {
    if (!rows) return;
    const Tensor buffer = fresh_matrix(rows_of_chunk, columns.size(0), input), across = transposed(columns);
    for (int64_t begin = 0; begin < rows; begin += rows_of_chunk) {
      const Chunk chunk(input, places ? places->data() : nullptr, begin, std::min(rows_of_chunk, rows - begin), buffer);
      if (flat_bias.has_value()) {
        multiply_and_add(chunk.logits, *flat_bias, chunk.features, across);
      } else {
        multiply(chunk.logits, chunk.features, across);
      }
      work(chunk);
    }
  }
};

// Of features, weights and bias, as far as they are wanted; chunks add up in the dtype of computation.
class Gradients {
  const Layer& layer_;
  const ScalarType dtype_, wide_;
  MaybeTensor input_, columns_, bias_;
  MaybeTensor sums_;  // of columns_
  const bool wants_bias_;
  bool first_ = true;

  void add_products(const Tensor& across, const Tensor& x) {
    if (sums_->scalar_type() == dtype_) {
      return first_ ? multiply(*sums_, across, x) : multiply_and_add(*sums_, *sums_, across, x);
    }
    const int64_t all = sums_->size(0);
    const Tensor room = empty(with_rows(*sums_, std::min(PART, all)), dtype_);
    for (int64_t begin = 0; begin < all; begin += PART) {
      const int64_t rows = std::min(PART, all - begin);
      const Tensor product = slice(room, 0, rows), into = slice(*sums_, begin, rows);
      multiply(product, slice(across, begin, rows), x);
      first_ ? copy(into, product) : add_to(into, product);
    }
  }

  void add_bias(const Tensor& gradient) {
    const Tensor here = torch::stable::sum(gradient, Sizes{0}, false, wide_);
    if (bias_.has_value()) return add_to(*bias_, here);
    bias_ = here;
  }

 public:
  Gradients(const Layer& layer, int64_t wanted)
      : layer_(layer), dtype_(layer.input.scalar_type()), wide_(computed_in(dtype_of(layer.input))),
        wants_bias_(layer.bias.has_value() && wanted & 4) {
    if (wanted & 1) input_ = fresh_matrix(layer.input.size(0), layer.input.size(1), layer.input);
    if (input_.has_value() && layer.places) zero(*input_);
    if (!(wanted & 2)) return;
    const Tensor& columns = layer.columns;
    columns_ = columns.is_contiguous() ? fresh_like(columns) : torch::stable::empty_like(columns);
    const bool apart = dtype_ != wide_ && layer.chunks > 1;
    sums_ = apart ? fresh_matrix(columns.size(0), columns.size(1), empty(Sizes{}, wide_)) : *columns_;
  }

  // The chunk's logits are their gradient now.
  void add(const Chunk& chunk) {
    const Tensor gradient = chunk.without_padding(chunk.logits);
    if (sums_.has_value()) add_products(transposed(gradient), chunk.without_padding(chunk.features));
    if (wants_bias_) add_bias(gradient);
    first_ = false;
    if (!input_.has_value()) return;
    if (chunk.features_are_copied) {  // and used no more
      multiply(chunk.features, chunk.logits, layer_.columns);
      chunk.put(*input_, chunk.features);
    } else {
      multiply(slice(*input_, chunk.begin, chunk.count), chunk.logits, layer_.columns);
    }
  }

  std::vector<Tensor> finished() {
    std::vector<Tensor> all;
    if (input_.has_value()) all.push_back(*input_);
    if (columns_.has_value()) {
      if (first_) zero(*columns_);
      if (!first_ && sums_->scalar_type() != dtype_) copy(*columns_, *sums_);
      all.push_back(layer_.weight.dim() == 2 ? *columns_ : dense_view(*columns_, sizes_of(layer_.weight)));
    }
    if (wants_bias_) {
      all.push_back(empty(sizes_of(*layer_.bias), dtype_));
      first_ ? zero(all.back()) : copy(all.back(), dense_view(*bias_, sizes_of(*layer_.bias)));
    }
    return all;
  }
};

}  // namespace
}  // namespace lossary
