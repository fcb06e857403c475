// Any two texts as a beginning and what goes on with it: what is left out of the second is the end of the first, as
// much as that can be of what is taken for a repetition, and the same however the second comes in pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "seam.h"

using namespace loom::llm;

namespace {

std::string fresh_of(std::string_view said, std::string_view more, size_t unseen, size_t piece) {
    std::string fresh;
    Seam seam(said, unseen);
    for (size_t at = 0; at < more.size(); at += piece) {
        seam.take(more.substr(at, piece), fresh);
        if (!more.ends_with(fresh) && std::string_view(more).find(fresh) == more.npos) std::abort();
    }
    seam.end(fresh);
    return fresh;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::string all(reinterpret_cast<const char*>(data) + 2, size - 2);
    const size_t cut = data[0] * all.size() / 255;
    const std::string said = all.substr(0, cut);
    std::string more = all.substr(cut);
    if (data[1] % 4 == 0) more = said.substr(said.size() - std::min<size_t>(said.size(), data[1])) + more;
    const size_t unseen = std::min<size_t>(data[1] % 3, said.size());
    const std::string fresh = fresh_of(said, more, unseen, more.size() + 1);
    if (!more.ends_with(fresh) || !said.ends_with(more.substr(0, more.size() - fresh.size()))) std::abort();
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}})
        if (fresh_of(said, more, unseen, piece) != fresh) std::abort();
    return 0;
}
