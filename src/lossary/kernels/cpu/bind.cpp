// The library of operators, over torch's stable ABI: one shared object for many versions of torch and Python.
#include "bind.h"

namespace lossary {
namespace {

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

// What is called when the library is loaded. No operators: whatever mode or transformation is at work then would take
// them for the program's own.
extern "C" {
#define VISIBLE __attribute__((visibility("default")))

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

STABLE_TORCH_LIBRARY_IMPL(lossary, CompositeExplicitAutograd, m) {
  m.impl("gradient_memory_held", TORCH_BOX(&lossary::gradient_memory_held));
  m.impl("gradient_memory_limit", TORCH_BOX(&lossary::gradient_memory_limit));
  m.impl("instruction_set", TORCH_BOX(&lossary::instruction_set));
}
