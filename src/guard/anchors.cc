#include "anchors.h"

namespace loom::guard {

Anchors anchors_scalar(const unsigned char* p) noexcept {
    RawAnchors raw;
    for (int i = 0; i < anchor_block; ++i) {
        const uint8_t classes = class_of(p[i]);
        raw.digits |= uint64_t{(classes & class_digit) != 0} << i;
        raw.words |= uint64_t{(classes & classes_of_words) != 0} << i;
        raw.signs |= uint64_t{(classes & classes_of_signs) != 0} << i;
        const bool literal = (bucket_of(0, p[i - 2]) & bucket_of(1, p[i - 1]) & bucket_of(2, p[i])) != 0;
        raw.literals |= uint64_t{literal} << i;
    }
    return refine(raw, p);
}

std::array<AnchorKernel, 4> anchor_kernels() noexcept {
    std::array<AnchorKernel, 4> kernels = {&anchors_scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();  // this may run among static initialisers, where GCC asks for it
    size_t count = 1;
    if (__builtin_cpu_supports("avx2")) kernels[count++] = &anchors_avx2;
    if (__builtin_cpu_supports("avx512bw")) kernels[count++] = &anchors_avx512;
#endif
    return kernels;
}

namespace {

AnchorKernel choose() noexcept {
    AnchorKernel best = nullptr;
    for (AnchorKernel kernel : anchor_kernels())
        if (kernel != nullptr) best = kernel;
    return best;
}

const AnchorKernel chosen = choose();

}  // namespace

AnchorKernel anchor_kernel() noexcept { return chosen; }

}  // namespace loom::guard
