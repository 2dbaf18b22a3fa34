// The kind of a call: what its check depends on, as bytes that are equal only for calls of the same kind. The same as
// plans.py makes in Python, whose tuples of small objects take longer than a small loss.
#include <Python.h>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/python_variable.h>

#include <cstdint>
#include <string>

#include "kinds.h"

namespace {

// Modes, transformations and tracers announce themselves to the dispatcher, which is told to pass autocast by otherwise.
bool is_plain() {
  const c10::impl::LocalDispatchKeySet keys = c10::impl::tls_local_dispatch_key_set();
  return (keys.included_ - c10::default_included_set).empty() && keys.excluded_.has(c10::DispatchKey::AutocastCPU);
}

class Kind {
  std::string bytes_;

  template <class T>
  void add(T x) {
    bytes_.append(reinterpret_cast<const char*>(&x), sizeof(x));
  }

  bool add_tensor(const at::Tensor& x) {
    if (!x.is_cpu() || x.layout() != at::kStrided || x.is_nested() || !x.is_contiguous()) return false;
    if (x._fw_grad(0).defined()) return false;
    add('t');
    add(x.scalar_type());
    add(x.requires_grad());
    add(x.dim());
    for (const int64_t n : x.sizes()) add(n);
    return true;
  }

 public:
  Kind(PyObject* loss, Py_ssize_t positional) {
    bytes_.reserve(256);
    add_name(loss);
    add(c10::GradMode::is_enabled());
    add(positional);
  }

  const std::string& bytes() const { return bytes_; }

  void add_name(PyObject* name) {
    Py_ssize_t length;
    const char* const text = PyUnicode_AsUTF8AndSize(name, &length);
    if (!text) throw python_error();
    add(length);
    bytes_.append(text, static_cast<size_t>(length));
  }

  // False where it is more than a contiguous tensor on the CPU or an option.
  bool add_argument(PyObject* x) {
    if (THPVariable_CheckExact(x)) return add_tensor(THPVariable_Unpack(x));
    if (x == Py_None) {
      add('n');
    } else if (PyBool_Check(x)) {
      add(x == Py_True ? 'T' : 'F');
    } else if (PyFloat_CheckExact(x)) {
      add('f');
      add(PyFloat_AS_DOUBLE(x));
    } else if (PyLong_CheckExact(x)) {
      int overflow;
      add('i');
      add(PyLong_AsLongLongAndOverflow(x, &overflow));
      return overflow == 0;
    } else if (PyUnicode_CheckExact(x)) {
      add('s');
      add_name(x);
    } else {
      return false;
    }
    return true;
  }
};

}  // namespace

PyObject* kind(PyObject*, PyObject* const* given, Py_ssize_t) {
  HANDLE_TH_ERRORS
  if (!is_plain()) Py_RETURN_NONE;
  PyObject *const args = given[1], *const kwargs = given[2];
  Kind kind(given[0], PyTuple_GET_SIZE(args));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
    if (!kind.add_argument(PyTuple_GET_ITEM(args, i))) Py_RETURN_NONE;
  }
  PyObject *name, *x;
  for (Py_ssize_t i = 0; PyDict_Next(kwargs, &i, &name, &x);) {
    kind.add_name(name);
    if (!kind.add_argument(x)) Py_RETURN_NONE;
  }
  return PyBytes_FromStringAndSize(kind.bytes().data(), static_cast<Py_ssize_t>(kind.bytes().size()));
  END_HANDLE_TH_ERRORS
}
