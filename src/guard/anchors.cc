#include "anchors.h"

#include "near.h"

namespace loom::guard {

namespace {

Near<uint64_t> near_at(const unsigned char* p) noexcept {
    Near<uint64_t> near{};
    for (int i = 0; i < 64; ++i) {
        const int c = p[i];
        const auto put = [i](uint64_t& bits, bool is) { bits |= uint64_t{is} << i; };
        put(near.digits, is_digit(c));
        put(near.letters, is_alpha(c));
        put(near.hex_letters, is_hex(c) && !is_digit(c));
        put(near.blank, c == ' ');
        put(near.dash, c == '-');
        put(near.dot, c == '.');
        put(near.slash, c == '/');
        put(near.open, c == '(');
        put(near.close, c == ')');
        put(near.plus, c == '+');
        put(near.at_sign, c == '@');
        put(near.colon, c == ':');
        put(near.equals, c == '=');
        put(near.quote, c == '"' || c == '\'');
        put(near.one_or_two, c == '1' || c == '2');
        put(near.name_end, may_end_name(p[i - 1], p[i]));
    }
    return near;
}

Anchors anchors_of(const unsigned char* p) noexcept {
    RawAnchors raw;
    for (int i = 0; i < anchor_block; ++i) {
        const uint8_t classes = class_of(p[i]);
        raw.digits |= uint64_t{(classes & class_digit) != 0} << i;
        raw.words |= uint64_t{(classes & classes_of_words) != 0} << i;
        raw.signs |= uint64_t{(classes & classes_of_signs) != 0} << i;
        const bool literal = (bucket_of(0, p[i - 2]) & bucket_of(1, p[i - 1]) & bucket_of(2, p[i])) != 0;
        raw.literals |= uint64_t{literal} << i;
    }
    Anchors found = refine(raw, p);
    if ((found.numbers | found.signs) != 0)
        look_near(found, near_at(p - near_before), near_at(p - near_before + half_block));
    return found;
}

}  // namespace

Pos anchors_scalar(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept {
    for (;; block += anchor_block) {
        found = anchors_of(text + block);
        if ((found.numbers | found.signs | found.literals) != 0 || block + anchor_block >= end) return block;
    }
}

std::array<AnchorKernel, 4> anchor_kernels() noexcept {
    std::array<AnchorKernel, 4> kernels = {&anchors_scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();  // this may run among static initialisers, where GCC asks for it
    size_t count = 1;
    if (__builtin_cpu_supports("avx2")) kernels[count++] = &anchors_avx2;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) kernels[count++] = &anchors_avx512;
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
