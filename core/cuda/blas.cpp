#include "core/cuda/blas.h"

#include <algorithm>
#include <optional>
#include <source_location>

#include "core/error.h"

namespace unfold::core::cuda {
namespace {

// What NVIDIA advises for Hopper; older devices use less of it.
constexpr std::int64_t kWorkspaceBytes = std::int64_t{32} << 20;
// Lengths of rows come and go in decoding: the plans begin anew before they become a burden.
constexpr std::size_t kMostPlans = 8192;

void check_blas(cublasStatus_t status, const char* what,
                const std::source_location& where = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool of_the_machine = status == CUBLAS_STATUS_NOT_INITIALIZED ||
                              status == CUBLAS_STATUS_ALLOC_FAILED ||
                              status == CUBLAS_STATUS_ARCH_MISMATCH;
  require(!of_the_machine, "cuda",
          "cuBLASLt: {}: {}: is the GPU supported by this version, and has it memory left?", what,
          cublasLtGetStatusString(status));
  throw InternalError(
      "cuda", fmt::format("cuBLASLt: {}: {}", what, cublasLtGetStatusString(status)), where);
}

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return CUDA_R_64F;
    case DType::float32:
      return CUDA_R_32F;
    case DType::bfloat16:
      return CUDA_R_16BF;
    default:
      break;
  }
  throw InternalError("matmul", fmt::format("{} is not a floating dtype", name_of(dtype)));
}

// The largest power of two that divides the address, up to what the fastest algorithms ask for.
std::int64_t alignment_of(const Tensor& x) {
  const auto address = reinterpret_cast<std::uintptr_t>(x.raw());
  return static_cast<std::int64_t>(std::min<std::uintptr_t>(16, address & (~address + 1)));
}

// Elements from row to row. Of a single row the stride says nothing, but has to be a possible one.
std::int64_t leading_dimension(const Tensor& x) {
  const std::int64_t width = std::max<std::int64_t>(1, x.dim(1));
  return x.dim(0) == 1 ? width : std::max(width, x.strides()[0]);
}

// A matrix by rows is, to cuBLASLt, its transpose by columns.
class Layout {
 public:
  explicit Layout(const Tensor& x) {
    check_blas(cublasLtMatrixLayoutCreate(
                   &layout_, type_of(x.dtype()), static_cast<std::uint64_t>(x.dim(1)),
                   static_cast<std::uint64_t>(x.dim(0)), leading_dimension(x)),
               "describing a matrix");
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  cublasLtMatrixLayout_t layout_ = nullptr;
};

class Operation {
 public:
  explicit Operation(const Product& product) {
    const bool wide = product.a.dtype() == DType::float64;
    check_blas(cublasLtMatmulDescCreate(&operation_, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                        wide ? CUDA_R_64F : CUDA_R_32F),
               "describing a product");
    const auto transposed = [](bool value) { return value ? CUBLAS_OP_T : CUBLAS_OP_N; };
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed(product.transpose_b));
    set(CUBLASLT_MATMUL_DESC_TRANSB, transposed(product.transpose_a));
    if (product.bias == nullptr) return;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(product.bias->raw()));
  }
  ~Operation() { cublasLtMatmulDescDestroy(operation_); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  cublasLtMatmulDesc_t get() const { return operation_; }

 private:
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t which, T value) {
    check_blas(cublasLtMatmulDescSetAttribute(operation_, which, &value, sizeof(value)),
               "describing a product");
  }
  cublasLtMatmulDesc_t operation_ = nullptr;
};

class Preference {
 public:
  Preference() { check_blas(cublasLtMatmulPreferenceCreate(&preference_), "making a preference"); }
  ~Preference() { cublasLtMatmulPreferenceDestroy(preference_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  template <typename T>
  void set(cublasLtMatmulPreferenceAttributes_t which, T value) {
    check_blas(cublasLtMatmulPreferenceSetAttribute(preference_, which, &value, sizeof(value)),
               "setting a preference");
  }
  cublasLtMatmulPreference_t get() const { return preference_; }

 private:
  cublasLtMatmulPreference_t preference_ = nullptr;
};

}  // namespace

// c^T = op(b)^T op(a)^T: by columns, b comes first, each transposed or not as it is by rows, and a
// bias is one value a row.
struct Blas::Plan {
  explicit Plan(const Product& product)
      : operation(product),
        first(product.b),
        second(product.a),
        added(product.added()),
        result(product.c) {}
  Operation operation;
  Layout first;
  Layout second;
  Layout added;
  Layout result;
  cublasLtMatmulAlgo_t algorithm{};
  bool supported = false;
};

Blas& Blas::of(const Context& context) {
  static std::mutex mutex;
  static auto& all = *new std::map<int, std::unique_ptr<Blas>>;  // outlives main(), as contexts do
  const std::lock_guard lock(mutex);
  std::unique_ptr<Blas>& blas = all[context.device()];
  if (blas == nullptr) blas = std::make_unique<Blas>(context);
  return *blas;
}

Blas::Blas(const Context& context) : stream_(context.stream()) {
  check_blas(cublasLtCreate(&handle_), "starting");
  const MemoryScope scope(MemoryUse::other);
  workspace_ =
      Tensor::empty({kWorkspaceBytes}, DType::uint8, Device{DeviceType::cuda, context.device()});
}

std::shared_ptr<const Blas::Plan> Blas::plan_for(const Product& product) {
  const auto& [a, transpose_a, b, transpose_b, alpha, beta, c, other, bias] = product;
  const Tensor& added = product.added();
  const Key key = {product.rows(),
                   product.columns(),
                   product.inner(),
                   transpose_a,
                   transpose_b,
                   leading_dimension(a),
                   leading_dimension(b),
                   leading_dimension(c),
                   static_cast<std::int64_t>(a.dtype()),
                   static_cast<std::int64_t>(c.dtype()),
                   alignment_of(a),
                   alignment_of(b),
                   alignment_of(c),
                   beta != 0,
                   leading_dimension(added),
                   alignment_of(added),
                   bias != nullptr};
  const std::lock_guard lock(mutex_);
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  if (plans_.size() >= kMostPlans) plans_.clear();

  auto plan = std::make_shared<Plan>(product);
  Preference preference;
  preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                 static_cast<std::size_t>(kWorkspaceBytes));
  // Partial sums of a split product are added in float32, never rounded to bfloat16 in between.
  preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                 static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                 static_cast<std::uint32_t>(alignment_of(b)));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                 static_cast<std::uint32_t>(alignment_of(a)));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                 static_cast<std::uint32_t>(alignment_of(added)));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
                 static_cast<std::uint32_t>(alignment_of(c)));
  cublasLtMatmulHeuristicResult_t result{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle_, plan->operation.get(), plan->first.get(), plan->second.get(), plan->added.get(),
      plan->result.get(), preference.get(), 1, &result, &count);
  // To an epilogue it does not have, cuBLASLt may also say that the value is invalid.
  const bool none = status == CUBLAS_STATUS_NOT_SUPPORTED ||
                    (bias != nullptr && status == CUBLAS_STATUS_INVALID_VALUE);
  if (!none) check_blas(status, "looking for an algorithm");
  plan->supported =
      status == CUBLAS_STATUS_SUCCESS && count == 1 && result.state == CUBLAS_STATUS_SUCCESS;
  plan->algorithm = result.algo;
  return plans_.emplace(key, std::move(plan)).first->second;
}

bool Blas::multiply(const Product& product) {
  if (product.bias != nullptr &&
      (product.a.dtype() == DType::float64 || alignment_of(*product.bias) < 16)) {
    return false;
  }
  const std::shared_ptr<const Plan> plan = plan_for(product);
  if (!plan->supported) return false;
  const float alpha32 = static_cast<float>(product.alpha);
  const float beta32 = static_cast<float>(product.beta);
  const bool wide = product.a.dtype() == DType::float64;
  const void* const alpha = wide ? static_cast<const void*>(&product.alpha) : &alpha32;
  const void* const beta = wide ? static_cast<const void*>(&product.beta) : &beta32;
  // Plans are shared, and the pointer to a bias is part of the description.
  std::optional<Operation> own;
  if (product.bias != nullptr) own.emplace(product);
  const cublasLtMatmulDesc_t operation = own ? own->get() : plan->operation.get();
  const cublasStatus_t status =
      cublasLtMatmul(handle_, operation, alpha, product.b.raw(), plan->first.get(), product.a.raw(),
                     plan->second.get(), beta, product.added().raw(), plan->added.get(),
                     product.c.raw(), plan->result.get(), &plan->algorithm, workspace_.raw(),
                     static_cast<std::size_t>(kWorkspaceBytes), stream_);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  check_blas(status, "multiplying");
  return true;
}

}  // namespace unfold::core::cuda
