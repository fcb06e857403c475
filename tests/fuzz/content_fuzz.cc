// Any bytes, cut anywhere, as a text that is looked through for content, and as an operator's own phrase: the scan of
// its pieces is that of the whole, and a phrase that is taken is found where it stands by itself.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/guard/content.h"
#include "loom/guard/injection.h"

using namespace loom;
using namespace loom::guard;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);  // its end is guarded
    const std::string phrase = text.substr(0, data[0] % 64);
    ContentWords own;
    const bool taken = own.add(phrase);
    const ContentScore whole = score_content(text, &own);
    InjectionScan scan(&own);
    size_t read = 0;
    for (size_t end = 0; end < text.size() || end == 0;) {
        end = std::min(text.size(), end + 1 + data[1] % 50);
        read += scan.read(std::string_view(text).substr(read, end - read), end == text.size());
        if (end == text.size()) break;
    }
    (void)scan.finish();
    require(scan.content().points == whole.points);
    if (taken) require(score_content(phrase, &own).reaches(ContentCategory::custom, ContentSeverity::high));
    return 0;
}
