// Any bytes as a header of a provider's limits or as a Retry-After: no crash, no wait beyond the bound, none that grows
// while the clock goes on; and what is written as providers write it reads as what was meant. Lines of
// `name<TAB>value`; the value is read as each of the things that it may be.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "loom/route/headroom.h"
#include "loom/route/retry.h"

using namespace loom::route;

namespace {

constexpr int64_t now_s = 1'755'780'059;  // 2025-08-21T12:40:59Z
constexpr uint64_t day_ms = uint64_t{24} * 3600 * 1000;
constexpr uint64_t year_ms = 365 * day_ms;

void require(bool good) {
    if (!good) std::abort();
}

/// A reset or a wait: bounded, the same in kind at any time, and never longer later.
template <class Parse>
void check_wait(Parse&& parse, std::string_view text, uint64_t longest_ms) {
    const std::optional<uint64_t> now = parse(text, now_s), later = parse(text, now_s + 7);
    require(now.has_value() == later.has_value());
    if (!now) return;
    require(*now <= longest_ms && *later <= *now && *now - *later <= 7'000);
}

std::string format(const char* form, int64_t at_s) {
    std::array<char, 64> text;
    const time_t time = at_s;
    tm parts{};
    require(gmtime_r(&time, &parts) != nullptr);
    return {text.data(), std::strftime(text.data(), text.size(), form, &parts)};
}

uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/// What a provider would write for these times reads as them.
void check_written(uint64_t drawn) {
    const int64_t ahead_s = static_cast<int64_t>(drawn % 86'400);
    const uint64_t ahead_ms = static_cast<uint64_t>(ahead_s) * 1000;
    require(parse_reset(format("%Y-%m-%dT%H:%M:%SZ", now_s + ahead_s), now_s) == ahead_ms);
    require(parse_reset(format("%Y-%m-%dT%H:%M:%S.5+02:00", now_s + ahead_s + 7200), now_s) == ahead_ms);
    require(parse_reset(std::to_string(now_s + ahead_s), now_s) == ahead_ms);
    require(parse_reset(std::to_string(now_s + ahead_s) + "000", now_s) == ahead_ms);
    require(parse_reset(std::to_string(ahead_s), now_s) == ahead_ms);
    require(parse_retry_after(std::to_string(ahead_s), now_s) == ahead_ms);
    require(parse_retry_after(format("%a, %d %b %Y %H:%M:%S GMT", now_s + ahead_s), now_s) == ahead_ms);
    const uint64_t wanted_ms = drawn % day_ms;  // as Go writes it: "1h2m3.004s", "120ms"
    std::array<char, 64> text;
    if (wanted_ms < 1000) {
        std::snprintf(text.data(), text.size(), "%llums", static_cast<unsigned long long>(wanted_ms));
    } else {
        const auto seconds = static_cast<double>(wanted_ms % 60'000) / 1000;
        std::snprintf(text.data(), text.size(), "%lluh%llum%gs", static_cast<unsigned long long>(wanted_ms / 3'600'000),
                      static_cast<unsigned long long>(wanted_ms / 60'000 % 60), seconds);
    }
    const auto read_ms = parse_reset(text.data(), now_s);
    require(read_ms && distance(*read_ms, wanted_ms) <= 1);
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return out;
}

bool same(const Headroom& a, const Headroom& b) {
    const auto same_one = [](const Headroom::One& x, const Headroom::One& y) {
        return x.remaining == y.remaining && x.reset_ms == y.reset_ms;
    };
    return a.said == b.said && std::ranges::equal(a.quotas, b.quotas, same_one);
}

void check_header(std::string_view name, std::string_view value, Headroom& all) {
    Headroom one, other;
    one.note(name, value, now_s);
    other.note(upper(name), value, now_s);
    require(same(one, other));
    const std::string folded = upper(name);
    require(!one.said || folded.starts_with("X-RATELIMIT-") || folded.starts_with("ANTHROPIC-RATELIMIT-"));
    require(one.said || same(one, Headroom()));
    all.note(name, value, now_s);
    require(all.rest_ms() <= day_ms);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    uint64_t drawn = 0;
    std::memcpy(&drawn, data, std::min(size, sizeof drawn));
    check_written(drawn);
    Headroom all;
    for (std::string_view rest(reinterpret_cast<const char*>(data), size); !rest.empty();) {
        const std::string line(rest.substr(0, rest.find('\n')));  // a copy of the exact size, whose end ASan guards
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        const size_t tab = std::min(line.find('\t'), line.size());
        const std::string name = line.substr(0, tab), value = line.substr(std::min(tab + 1, line.size()));
        check_header(name, value, all);
        check_wait(parse_reset, value, day_ms);
        check_wait(parse_retry_after, value, year_ms);
        require(parse_retry_after_ms(value).value_or(0) <= year_ms);
    }
    return 0;
}
