// Any bytes as two prompts, apart at the first line of "====": the same reason from both sides, none for a text and
// itself; and as one, whose vector is of length one, or nothing.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/cache/embedder.h"
#include "loom/cache/veto.h"

using namespace loom::cache;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

void check_vector(const std::string& text) {
    static const std::unique_ptr<Embedder> embedder = make_lexical_embedder();
    std::array<float, lexical_dimensions> vector, again;
    embedder->embed(text, vector);
    embedder->embed(text, again);
    require(vector == again);
    double squares = 0;
    for (float part : vector) squares += double{part} * part;
    require(squares == 0 || std::abs(squares - 1) < 1e-4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr std::string_view mark = "\n====\n";
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const size_t first = std::min(all.find(mark), size / 2);
    const std::string one(all.substr(0, first));  // its end is guarded
    std::string other(all.substr(first));
    if (other.starts_with(mark)) other.erase(0, mark.size());
    const VetoReason reason = veto(one, other);
    require(veto(other, one) == reason && static_cast<size_t>(reason) < veto_reason_count);
    require(!veto_reason_name(reason).empty());
    require(veto(one, one) == VetoReason::none && veto(other, std::string(other)) == VetoReason::none);
    check_vector(one);
    check_vector(other);
    return 0;
}
