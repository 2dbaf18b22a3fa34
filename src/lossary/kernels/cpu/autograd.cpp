// Calls of plans whose gradients are nodes of autograd in C++: a function of autograd in Python takes longer than a
// small loss. torch promises nothing about these interfaces from version to version, so lossary/ops.py loads this with
// the torch that it was built for, and runs its own function with any other.
#include <Python.h>

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/Dtype.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

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

// What a plan knows (lossary/kernels/plans.py).
struct Call {
  c10::OperatorHandle operation;
  torch::jit::Stack arguments;
  std::vector<size_t> slots;
  std::vector<int> order;
  at::ScalarType dtype;
  PyObject* gradients;  // ops.gradients(plan, upstream, tensors), of a module that stays
};

struct LossBackward : torch::autograd::Node {
  std::shared_ptr<const Call> call;
  Reference plan;
  std::vector<torch::autograd::SavedVariable> saved;
  std::vector<at::Tensor> ready;  // gradients for the first backward

  std::string name() const override { return "LossBackward"; }

  void release_variables() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ready.clear();
    saved.clear();
    plan.reset();
  }

  variable_list apply(variable_list&& upstreams) override {
    const at::Tensor upstream = std::move(upstreams[0]);
    if (!upstream.defined()) return variable_list(call->order.size());
    const c10::DispatchKeySet batched{c10::DispatchKey::Batched, c10::DispatchKey::FuncTorchBatched};
    if (upstream.key_set().has_any(batched) || c10::GradMode::is_enabled()) return by_python(upstream);
    const double factor = upstream.numel() == 1 ? upstream.item<double>() : 0;
    std::vector<at::Tensor> found;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      found.swap(ready);  // autograd copies a gradient that somebody else holds
    }
    // Small gradients of fp16 are 0 before a loss scale comes to them.
    if (found.empty() || (factor != 1 && found[0].scalar_type() == at::kHalf)) return by_python(upstream);
    if (factor != 1) {
      for (at::Tensor& gradient : found) gradient.mul_(upstream);
    }
    return in_slots(found);
  }

 private:
  variable_list in_slots(const std::vector<at::Tensor>& found) const {
    variable_list answer;
    answer.reserve(call->order.size());
    for (const int i : call->order) answer.push_back(i < 0 ? at::Tensor() : found.at(i));
    return answer;
  }

  variable_list by_python(const at::Tensor& upstream) {
    TORCH_CHECK(plan, torch::autograd::ERR_BACKWARD_TWICE);
    const pybind11::gil_scoped_acquire gil;
    const Reference factor(THPVariable_Wrap(upstream)), tensors(PyTuple_New(static_cast<Py_ssize_t>(saved.size())));
    for (size_t i = 0; i < saved.size(); ++i) {
      PyTuple_SET_ITEM(tensors.get(), i, THPVariable_Wrap(saved[i].unpack()));
    }
    const Reference list(
        PyObject_CallFunctionObjArgs(call->gradients, plan.get(), factor.get(), tensors.get(), nullptr));
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

struct Step {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  std::shared_ptr<const Call> call;
};

// step(plan, *tensors)
PyObject* run(PyObject* self, PyObject* const* arguments, size_t, PyObject*) {
  HANDLE_TH_ERRORS
  const std::shared_ptr<const Call>& call = reinterpret_cast<Step*>(self)->call;
  PyObject* const* const tensors = arguments + 1;
  const size_t n = call->slots.size();
  torch::jit::Stack stack = call->arguments;
  for (size_t i = 0; i < n; ++i) stack[call->slots[i]] = THPVariable_Unpack(tensors[i]);
  at::Tensor value;
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    const pybind11::gil_scoped_release no_gil;
    call->operation.callBoxed(stack);
    value = stack[0].toTensor().to(call->dtype);
  }
  torch::autograd::edge_list edges(n);
  bool wanted = false;
  for (size_t i = 0; i < n; ++i) {
    if (call->order[i] < 0) continue;
    edges[i] = torch::autograd::impl::gradient_edge(THPVariable_Unpack(tensors[i]));
    wanted = true;
  }
  if (wanted) {
    const auto node = c10::make_intrusive<LossBackward>();
    node->set_next_edges(std::move(edges));
    node->call = call;
    Py_INCREF(arguments[0]);
    node->plan.reset(arguments[0]);
    node->saved.reserve(n);
    for (size_t i = 0; i < n; ++i) node->saved.emplace_back(THPVariable_Unpack(tensors[i]), /*is_output=*/false);
    node->ready = stack[1].toTensorVector();
    torch::autograd::set_history(value, node);
  }
  return THPVariable_Wrap(std::move(value));
  END_HANDLE_TH_ERRORS
}

// As the operator's schema wants it.
c10::IValue value_of(PyObject* x, const c10::Argument& argument) {
  if (x == Py_None) return {};
  if (PyBool_Check(x)) return x == Py_True;
  if (PyFloat_Check(x) || argument.type()->kind() == c10::TypeKind::FloatType) return PyFloat_AsDouble(x);
  return static_cast<int64_t>(PyLong_AsLongLong(x));
}

// Step(operator, arguments, slots, order, dtype, gradients)
PyObject* make(PyTypeObject* type, PyObject* given, PyObject*) {
  HANDLE_TH_ERRORS
  const char* name;
  PyObject *arguments, *slots, *order, *dtype, *gradients;
  if (!PyArg_ParseTuple(given, "sO!O!O!OO", &name, &PyTuple_Type, &arguments, &PyTuple_Type, &slots, &PyTuple_Type,
                        &order, &dtype, &gradients)) {
    return nullptr;
  }
  auto call = std::make_shared<Call>(Call{c10::Dispatcher::singleton().findSchemaOrThrow(name, ""), {}, {}, {},
                                          reinterpret_cast<THPDtype*>(dtype)->scalar_type, Py_NewRef(gradients)});
  const auto& schema = call->operation.schema().arguments();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); ++i) {
    call->arguments.push_back(value_of(PyTuple_GET_ITEM(arguments, i), schema.at(i)));
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(slots); ++i) {
    call->slots.push_back(PyLong_AsSize_t(PyTuple_GET_ITEM(slots, i)));
    call->order.push_back(static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(order, i))));
  }
  if (PyErr_Occurred()) return nullptr;
  PyObject* const self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  reinterpret_cast<Step*>(self)->vectorcall = run;
  new (&reinterpret_cast<Step*>(self)->call) std::shared_ptr<const Call>(std::move(call));
  return self;
  END_HANDLE_TH_ERRORS
}

void destroy(PyObject* self) {
  reinterpret_cast<Step*>(self)->call.~shared_ptr();
  Py_TYPE(self)->tp_free(self);
}

PyTypeObject step_type = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_autograd", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__autograd() {
  step_type.tp_name = "lossary.kernels._autograd.Step";
  step_type.tp_basicsize = sizeof(Step);
  step_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  step_type.tp_new = make;
  step_type.tp_dealloc = destroy;
  step_type.tp_call = PyVectorcall_Call;
  step_type.tp_vectorcall_offset = offsetof(Step, vectorcall);
  if (PyType_Ready(&step_type) < 0) return nullptr;
  PyObject* const made = PyModule_Create(&module);
  if (made && PyModule_AddObjectRef(made, "Step", reinterpret_cast<PyObject*>(&step_type)) < 0) return nullptr;
  return made;
}
