#pragma once

#include <Python.h>

// cache_key(loss, options, args, kwargs): bytes, or None where such a call is not remembered.
PyObject* cache_key(PyObject*, PyObject* const* given, Py_ssize_t);
