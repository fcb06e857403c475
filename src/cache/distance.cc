#include "distance.h"

namespace loom::cache {

/// In as many sums as a vector register has places: one after the other they would wait for each other, and lose more.
float dot_scalar(const float* a, const float* b, size_t size) noexcept {
    std::array<float, vector_step> sums{};
    for (size_t at = 0; at < size; at += vector_step)
        for (size_t lane = 0; lane < vector_step; ++lane) sums[lane] += a[at + lane] * b[at + lane];
    float sum = 0;
    for (const float one : sums) sum += one;
    return sum;
}

std::array<DotKernel, 4> dot_kernels() noexcept {
    std::array<DotKernel, 4> kernels = {&dot_scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();  // this may run among static initialisers, where GCC asks for it
    size_t count = 1;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels[count++] = &dot_avx2;
    if (__builtin_cpu_supports("avx512f")) kernels[count++] = &dot_avx512;
#endif
    return kernels;
}

namespace {

DotKernel choose() noexcept {
    DotKernel best = nullptr;
    for (DotKernel kernel : dot_kernels())
        if (kernel != nullptr) best = kernel;
    return best;
}

const DotKernel chosen = choose();

}  // namespace

DotKernel dot_kernel() noexcept { return chosen; }

}  // namespace loom::cache
