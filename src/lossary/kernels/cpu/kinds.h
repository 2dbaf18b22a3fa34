#pragma once

#include <Python.h>

// kind(loss, args, kwargs): bytes, or None where no plan can be known for such a call.
PyObject* kind(PyObject*, PyObject* const* given, Py_ssize_t);
