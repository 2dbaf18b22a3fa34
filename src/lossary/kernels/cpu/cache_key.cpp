// The key that a call is remembered by: what its check depends on, as bytes. dispatch/remembered.py has the same in Python, whose
// tuples of small objects take longer than a small loss.
//
// Of data: device, dtype, requires_grad and shape of a contiguous tensor on the CPU or a CUDA device. Of options: type and value.
#include <Python.h>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/object_ptr.h>

#include <cstdint>
#include <cstring>

#include "cache_key.h"

namespace {

// Modes, transformations and tracers announce themselves to the dispatcher, which otherwise passes autocast by.
bool is_plain() {
  const c10::impl::LocalDispatchKeySet keys = c10::impl::tls_local_dispatch_key_set();
  return (keys.included_ - c10::default_included_set).empty() && keys.excluded_.has(c10::DispatchKey::AutocastCPU) &&
         keys.excluded_.has(c10::DispatchKey::AutocastCUDA);
}

class Key {
  char bytes_[1024];  // on the stack: memory of its own would take a tenth of the time
  size_t size_ = 0;
  bool fits_ = true;
  PyObject* options_;  // a frozenset of the places and the names of options

  void add(const void* from, size_t n) {
    fits_ &= n <= sizeof(bytes_) - size_;
    if (!fits_) return;
    std::memcpy(bytes_ + size_, from, n);
    size_ += n;
  }

  template <class T>
  void add(T x) {
    add(&x, sizeof(x));
  }

  bool add_tensor(const at::Tensor& x) {
    if (!(x.is_cpu() || x.is_cuda()) || x.layout() != at::kStrided || x.is_nested() || !x.is_contiguous()) return false;
    if (x._fw_grad(0).defined()) return false;
    add('t');
    add(x.is_cpu() ? c10::DeviceIndex(-1) : x.get_device());
    add(x.scalar_type());
    add(x.requires_grad());
    add(x.dim());
    add(x.sizes().data(), x.sizes().size() * sizeof(int64_t));
    return true;
  }

 public:
  Key(PyObject* loss, PyObject* options, Py_ssize_t positional) : options_(options) {
    add_name(loss);
    add(c10::GradMode::is_enabled());
    add(positional);
  }

  PyObject* bytes() const {
    if (!fits_) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(bytes_, static_cast<Py_ssize_t>(size_));
  }

  void add_name(PyObject* name) {
    Py_ssize_t length;
    const char* const text = PyUnicode_AsUTF8AndSize(name, &length);
    if (!text) throw python_error();
    add(length);
    add(text, static_cast<size_t>(length));
  }

  // place: a number or a name. False where x is neither data nor an option, or a tensor for one, whose value decides.
  bool add_argument(PyObject* place, PyObject* x) {
    if (THPVariable_CheckExact(x)) {
      const int is_option = PySet_Contains(options_, place);
      if (is_option < 0) throw python_error();
      return !is_option && add_tensor(THPVariable_Unpack(x));
    }
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

PyObject* cache_key(PyObject*, PyObject* const* given, Py_ssize_t) {
  HANDLE_TH_ERRORS
  if (!is_plain()) Py_RETURN_NONE;
  PyObject *const args = given[2], *const kwargs = given[3];
  Key key(given[0], given[1], PyTuple_GET_SIZE(args));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
    THPObjectPtr place(PyLong_FromSsize_t(i));
    if (!key.add_argument(place.get(), PyTuple_GET_ITEM(args, i))) Py_RETURN_NONE;
  }
  PyObject *name, *x;
  for (Py_ssize_t i = 0; PyDict_Next(kwargs, &i, &name, &x);) {
    key.add_name(name);
    if (!key.add_argument(name, x)) Py_RETURN_NONE;
  }
  return key.bytes();
  END_HANDLE_TH_ERRORS
}
