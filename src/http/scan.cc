// Chooses the kernels once, before main.
#include "scan.h"

namespace loom::http::scan {
namespace {

struct Choice {
    const char* (*line_end)(const char*, const char*) noexcept = &Baseline::line_end;
    LineMasks (*masks64)(const char*) noexcept = &Baseline::masks64;
    FieldMasks (*field_masks64)(const char*) noexcept = &Baseline::field_masks64;
};

Choice choose() noexcept {
#if defined(LOOM_HTTP_AVX2)
    __builtin_cpu_init();  // this runs among static initialisers, where GCC asks for it
    if (__builtin_cpu_supports("avx2")) return {&Avx2::line_end, &Avx2::masks64, &Avx2::field_masks64};
#endif
    return {};
}

const Choice chosen = choose();

}  // namespace

const char* line_end(const char* p, const char* end) noexcept { return chosen.line_end(p, end); }
LineMasks masks64(const char* p) noexcept { return chosen.masks64(p); }
FieldMasks field_masks64(const char* p) noexcept { return chosen.field_masks64(p); }

}  // namespace loom::http::scan
