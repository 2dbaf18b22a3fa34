// Recipes run with gradients that are nodes of autograd in C++: a function of autograd in Python takes longer than a small
// loss. torch promises nothing about these interfaces from version to version, so the module's name has the release that
// it was built for, and kernels/operators.py loads that of the torch that is running; where there is none
// kernels/autograd.py does the same in Python.
#include <Python.h>

#include <ATen/ScalarOps.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/Dtype.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torch/csrc/utils/python_strings.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "cache_key.h"

// The module's name, which CMake gives.
#define LOSSARY_TEXT_(x) #x
#define LOSSARY_TEXT(x) LOSSARY_TEXT_(x)
#define LOSSARY_JOIN_(x, y) x##y
#define LOSSARY_JOIN(x, y) LOSSARY_JOIN_(x, y)

namespace {

using torch::autograd::variable_list;

// A reference to a Python object, let go in whatever thread.
struct LetGo {
  void operator()(PyObject* object) const {
    if (!Py_IsInitialized()) return;
    const pybind11::gil_scoped_acquire gil;
    Py_DECREF(object);
  }
};
using Reference = std::unique_ptr<PyObject, LetGo>;

// A tensor of a call: where the caller has it, by place or by name, and the operator; and which gradient is its own.
struct Part {
  Py_ssize_t place, slot;
  Reference name;
  std::optional<at::ScalarType> cast;
  int gradient;

  at::Tensor of(PyObject* args, PyObject* kwargs) const {
    const at::Tensor& x =
        THPVariable_Unpack(name ? PyDict_GetItemWithError(kwargs, name.get()) : PyTuple_GET_ITEM(args, place));
    return cast ? x.to(*cast) : x;
  }
};

// What a recipe says (kernels/recipe.py), ready to be run.
struct Call {
  c10::OperatorHandle operation;
  torch::jit::Stack arguments;
  std::vector<Part> parts;
  at::ScalarType dtype;
  Reference recipe;
  PyObject* gradients;   // gradients(recipe, upstream, tensors), of a module that stays
  PyObject* data_error;  // the type of what an operator says of its data, of a module that stays
};

struct LossBackward : torch::autograd::Node {
  std::shared_ptr<const Call> call;
  std::vector<torch::autograd::SavedVariable> saved;
  std::vector<at::Tensor> ready;  // gradients for the first backward
  bool released = false;

  std::string name() const override { return "LossBackward"; }

  void release_variables() override {
    std::vector<torch::autograd::SavedVariable> saved_let_go;
    const std::lock_guard<std::mutex> lock(mutex_);  // released first: what is let go may wait for the GIL
    ready.clear();
    saved_let_go.swap(saved);
    released = true;
  }

  variable_list apply(variable_list&& upstreams) override {
    const at::Tensor upstream = std::move(upstreams[0]);
    if (!upstream.defined()) return variable_list(call->parts.size());
    const c10::DispatchKeySet batched{c10::DispatchKey::Batched, c10::DispatchKey::FuncTorchBatched};
    if (upstream.key_set().has_any(batched) || c10::GradMode::is_enabled()) return by_python(upstream);
    const bool is_one = upstream.is_cpu() && upstream.numel() == 1 && upstream.item<double>() == 1;
    std::vector<at::Tensor> found;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      found.swap(ready);  // autograd copies a gradient that somebody else holds
    }
    // Small gradients of fp16 are 0 before a loss scale comes to them.
    if (found.empty() || (!is_one && found[0].scalar_type() == at::kHalf)) return by_python(upstream);
    if (!upstream.is_cpu()) {  // reading it here would wait for the device
      static const auto rescale = c10::Dispatcher::singleton().findSchemaOrThrow("lossary::rescale_", "");
      rescale.typed<void(at::TensorList, const at::Tensor&)>().call(found, upstream);
    } else if (!is_one) {
      for (at::Tensor& gradient : found) gradient.mul_(upstream);
    }
    return in_slots(found);
  }

 private:
  variable_list in_slots(const std::vector<at::Tensor>& found) const {
    variable_list answer;
    answer.reserve(call->parts.size());
    for (const Part& part : call->parts) answer.push_back(part.gradient < 0 ? at::Tensor() : found.at(part.gradient));
    return answer;
  }

  variable_list unpacked() {
    const std::lock_guard<std::mutex> lock(mutex_);
    TORCH_CHECK(!released, torch::autograd::ERR_BACKWARD_TWICE);
    variable_list tensors;
    tensors.reserve(saved.size());
    for (const auto& x : saved) tensors.push_back(x.unpack());
    return tensors;
  }

  variable_list by_python(const at::Tensor& upstream) {
    const variable_list given = unpacked();
    const pybind11::gil_scoped_acquire gil;
    const Reference factor(THPVariable_Wrap(upstream)), tensors(PyTuple_New(static_cast<Py_ssize_t>(given.size())));
    for (size_t i = 0; i < given.size(); ++i) PyTuple_SET_ITEM(tensors.get(), i, THPVariable_Wrap(given[i]));
    const Reference list(
        PyObject_CallFunctionObjArgs(call->gradients, call->recipe.get(), factor.get(), tensors.get(), nullptr));
    if (!list) {
      python_error error;
      error.persist();
      throw error;
    }
    std::vector<at::Tensor> found;
    for (Py_ssize_t i = 0; i < PyList_Size(list.get()); ++i) {
      found.push_back(THPVariable_Unpack(PyList_GET_ITEM(list.get(), i)));
    }
    return in_slots(found);
  }
};

// What owns a node: counted within it, or, before torch 2.13, beside it.
template <class T>
auto new_node() {
  if constexpr (std::is_base_of_v<c10::intrusive_ptr_target, torch::autograd::Node>) {
    return c10::make_intrusive<T>();
  } else {
    return std::shared_ptr<T>(new T, [](T* node) { deleteNode(node); });
  }
}

struct Step {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  std::shared_ptr<const Call> call;
};

at::Tensor rounded(const at::Tensor& value, at::ScalarType dtype) {
  if (value.dim() > 0 || !value.is_cpu()) return value.to(dtype);
  return value.scalar_type() == dtype ? value : at::detail::scalar_tensor_static(value.item(), dtype, value.device());
}

// step(args, kwargs), of a call with the key of the recipe
PyObject* run(PyObject* self, PyObject* const* given, size_t, PyObject*) {
  HANDLE_TH_ERRORS
  const std::shared_ptr<const Call>& call = reinterpret_cast<Step*>(self)->call;
  torch::jit::Stack stack = call->arguments;
  variable_list tensors;
  torch::autograd::edge_list edges;
  tensors.reserve(call->parts.size());
  edges.reserve(call->parts.size());
  bool wanted = false;
  for (const Part& part : call->parts) {
    const at::Tensor& x = tensors.emplace_back(part.of(given[0], given[1]));
    stack[part.slot] = x;
    wanted |= part.gradient >= 0;
    edges.push_back(part.gradient < 0 ? torch::autograd::Edge() : torch::autograd::impl::gradient_edge(x));
  }
  at::Tensor value;
  std::optional<std::string> data_error;
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    const pybind11::gil_scoped_release no_gil;
    try {
      call->operation.callBoxed(stack);
    } catch (const std::exception& error) {
      data_error = error.what();
    }
    if (!data_error) value = rounded(stack[0].toTensor(), call->dtype);
  }
  if (data_error) {
    PyErr_SetString(call->data_error, data_error->c_str());
    return nullptr;
  }
  if (wanted) {
    const auto node = new_node<LossBackward>();
    node->set_next_edges(std::move(edges));
    node->call = call;
    node->saved.reserve(tensors.size());
    for (const at::Tensor& x : tensors) node->saved.emplace_back(x, /*is_output=*/false);
    node->ready = stack[1].toTensorVector();
    torch::autograd::set_history(value, node);
  }
  return THPVariable_Wrap(std::move(value));
  END_HANDLE_TH_ERRORS
}

// As the operator's schema wants it.
c10::IValue value_of(PyObject* x, const c10::Argument& argument) {
  if (x == Py_None) return {};
  if (PyUnicode_Check(x)) return THPUtils_unpackString(x);
  if (PyTuple_Check(x)) {
    c10::List<double> numbers;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); ++i) numbers.push_back(PyFloat_AsDouble(PyTuple_GET_ITEM(x, i)));
    return numbers;
  }
  if (PyBool_Check(x)) return x == Py_True;
  if (PyFloat_Check(x) || argument.type()->kind() == c10::TypeKind::FloatType) return PyFloat_AsDouble(x);
  return static_cast<int64_t>(PyLong_AsLongLong(x));
}

at::ScalarType dtype_of(PyObject* dtype) { return reinterpret_cast<THPDtype*>(dtype)->scalar_type; }

// (source, dtype of a cast or None, slot, gradient)
Part part_of(PyObject* given) {
  PyObject *source, *cast;
  Part part{};
  if (!PyArg_ParseTuple(given, "OOni", &source, &cast, &part.slot, &part.gradient)) throw python_error();
  if (PyUnicode_Check(source)) {
    part.name.reset(Py_NewRef(source));
  } else {
    part.place = PyLong_AsSsize_t(source);
  }
  if (cast != Py_None) part.cast = dtype_of(cast);
  return part;
}

// Step(recipe, operator, also with an overload's name, arguments, parts, dtype, gradients, data_error)
PyObject* make(PyTypeObject* type, PyObject* given, PyObject*) {
  HANDLE_TH_ERRORS
  const char* name;
  PyObject *recipe, *arguments, *parts, *dtype, *gradients, *data_error;
  if (!PyArg_ParseTuple(given, "OsO!O!OOO", &recipe, &name, &PyTuple_Type, &arguments, &PyTuple_Type, &parts, &dtype,
                        &gradients, &data_error)) {
    return nullptr;
  }
  const std::string full = name, base = full.substr(0, full.find('.'));
  const std::string overload = full.substr(std::min(base.size() + 1, full.size()));
  auto call = std::make_shared<Call>(Call{
      c10::Dispatcher::singleton().findSchemaOrThrow(base.c_str(), overload.c_str()), {}, {}, dtype_of(dtype),
      Reference(Py_NewRef(recipe)), Py_NewRef(gradients), Py_NewRef(data_error)});
  const auto& schema = call->operation.schema().arguments();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); ++i) {
    call->arguments.push_back(value_of(PyTuple_GET_ITEM(arguments, i), schema.at(i)));
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(parts); ++i) {
    call->parts.push_back(part_of(PyTuple_GET_ITEM(parts, i)));
  }
  if (PyErr_Occurred()) return nullptr;
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  reinterpret_cast<Step*>(self)->vectorcall = run;
  new (&reinterpret_cast<Step*>(self)->call) std::shared_ptr<const Call>(std::move(call));
  return self;
  END_HANDLE_TH_ERRORS
}

// As FSDP and offloading do it: to 0 bytes, and back into memory of torch's own.
void let_resize(AtenTensorHandle kept) {
  c10::StorageImpl* const storage =
      torch::aot_inductor::tensor_handle_to_tensor_pointer(kept)->storage().unsafeGetStorageImpl();
  storage->set_allocator(c10::GetAllocator(c10::kCPU));
  storage->set_resizable(true);
}

void destroy(PyObject* self) {
  reinterpret_cast<Step*>(self)->call.~shared_ptr();
  Py_TYPE(self)->tp_free(self);
}

PyTypeObject step_type = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyMethodDef functions[] = {
    {"cache_key", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(cache_key)), METH_FASTCALL, nullptr}, {}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, LOSSARY_TEXT(LOSSARY_MODULE), nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC LOSSARY_JOIN(PyInit_, LOSSARY_MODULE)() {
  step_type.tp_name = "lossary.kernels." LOSSARY_TEXT(LOSSARY_MODULE) ".Step";
  step_type.tp_basicsize = sizeof(Step);
  step_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  step_type.tp_new = make;
  step_type.tp_dealloc = destroy;
  step_type.tp_call = PyVectorcall_Call;
  step_type.tp_vectorcall_offset = offsetof(Step, vectorcall);
  if (PyType_Ready(&step_type) < 0) return nullptr;
  PyObject* const made = PyModule_Create(&module);
  if (!made || PyModule_AddObjectRef(made, "Step", reinterpret_cast<PyObject*>(&step_type)) < 0) return nullptr;
  const Reference address(PyLong_FromVoidPtr(reinterpret_cast<void*>(let_resize)));
  if (!address || PyModule_AddObjectRef(made, "let_resize", address.get()) < 0) return nullptr;
  return made;
}
