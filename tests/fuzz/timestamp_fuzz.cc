// A moment that is taken, written anew, is the same moment; what is no date in the calendar is none. So are a report's
// days and months.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loom/base/timestamp.h"
#include "loom/store/usage_period.h"

using namespace loom;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);  // its end is guarded
    if (const auto begin_s = parse_date(text)) {
        require(text.size() == 10 && *begin_s % 86'400 == 0);
        require(fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<time_t>(*begin_s))) == text);
        require(parse_rfc3339(text + "T00:00:00Z") == begin_s);
        require(parse_rfc3339(text + "T00:00:00.999+01:00") == *begin_s - 3600);
    }
    if (const auto period = store::parse_usage_period(text))
        require(period->text == text && 0 <= period->from && period->from <= period->to &&
                (period->from == period->to) == (text.size() == 10));
    if (const auto moment_s = parse_rfc3339(text)) {
        const std::string written = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<time_t>(*moment_s)));
        // A zone may lead out of the years that have four digits.
        if (written.size() == 20 && written[0] != '-') require(parse_rfc3339(written) == moment_s);
        require(!parse_rfc3339(text + "0") && !parse_date(text));
    }
    return 0;
}
