// The similarity of two vectors, which all searching comes down to. `Scalar` is the reference; AVX2 and AVX-512 answer
// the same within rounding, chosen once (distance.cc).
#pragma once

#include <array>
#include <cstddef>

namespace loom::cache {

/// Vectors are padded to a multiple of this with zeros, so that no kernel has a rest to look at.
inline constexpr size_t vector_step = 16;

[[nodiscard]] constexpr size_t padded_size(size_t dimensions) noexcept {
    return (dimensions + vector_step - 1) / vector_step * vector_step;
}

/// The inner product; of unit vectors it is their cosine. size  a multiple of vector_step. No alignment is needed.
using DotKernel = float (*)(const float* a, const float* b, size_t size) noexcept;

[[nodiscard]] float dot_scalar(const float* a, const float* b, size_t size) noexcept;
#if defined(__x86_64__)
[[nodiscard]] float dot_avx2(const float* a, const float* b, size_t size) noexcept;
[[nodiscard]] float dot_avx512(const float* a, const float* b, size_t size) noexcept;
#endif

/// Those that this machine has, the plainest first; null behind the last.
[[nodiscard]] std::array<DotKernel, 4> dot_kernels() noexcept;
[[nodiscard]] DotKernel dot_kernel() noexcept;

}  // namespace loom::cache
