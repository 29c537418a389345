// A write that fails, as on a full disk, leaves HDF5 with a file it can no longer close, which the
// tests provoke. LeakSanitizer looks for a function of this name; other builds never call it.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libhdf5";
}
