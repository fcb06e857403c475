// What comes from a Redis is read the same wherever it is cut, its memory is bounded, and whatever it says is an answer
// to a draw, to a question about sums, or an error.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "loom/store/lease_script.h"
#include "loom/store/redis_protocol.h"
#include "loom/store/shared_usage.h"

using namespace loom;
using namespace loom::store;

namespace {

constexpr size_t reply_bytes_max = 4'096;

void require(bool good) {
    if (!good) std::abort();
}

std::string shown(const RedisReply& reply) {
    std::string text =
        std::to_string(static_cast<int>(reply.type)) + " " + std::to_string(reply.integer) + " " + reply.text + "[";
    for (const RedisReply& item : reply.items) text += shown(item) + ",";
    return text + "]";
}

void look_at(const RedisReply& reply) {
    (void)redis_fault(reply.text);
    require(redis_error_text(reply.text).size() <= reply.text.size());
    (void)redis_moved_to(reply.text);
    for (size_t count = 0; count < 4; ++count)
        if (const auto grants = read_lease_grants(reply, count)) require(grants->size() == count);
    if (const auto shipped = read_shipped(reply); shipped && *shipped)
        require((*shipped)->revision <= usage_revision_max && is_usage_generation((*shipped)->generation));
    if (const auto looms = read_month("2024-02", reply))
        for (const MonthOfLoom& one : *looms) require(is_loom_id(one.loom));
    if (const auto fetched = read_fetched("2024-02", reply))
        for (const UsageChange& row : fetched->rows) {
            require(usage_month(row.name.day) == "2024-02");
            require(parse_usage_name(usage_name_text(row.name)) == row.name);
            require(parse_usage_sums(usage_sums_text(row.sums)) == row.sums);
        }
}

/// All replies, and the error behind them. Pieces of `step` bytes, each of its own, so that its end is guarded.
std::string read(std::string_view bytes, size_t step, bool looks) {
    RedisReader reader(reply_bytes_max);
    std::string all;
    while (!bytes.empty()) {
        const std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<long>(std::min(step, bytes.size())));
        bytes.remove_prefix(piece.size());
        if (!reader.feed({piece.data(), piece.size()})) return all + "!";
        for (;;) {
            const auto reply = reader.next();
            if (!reply) return all + "!";
            if (!*reply) break;
            all += shown(**reply);
            if (looks) look_at(**reply);
        }
    }
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), std::min(size, reply_bytes_max));
    const std::string whole = read(bytes, reply_bytes_max, true);
    require(read(bytes, 1, false) == whole);
    require(read(bytes, 7, false) == whole);
    const std::string text(bytes);
    if (const auto name = parse_usage_name(text)) require(parse_usage_name(usage_name_text(*name)) == name);
    if (const auto sums = parse_usage_sums(text)) require(parse_usage_sums(usage_sums_text(*sums)) == sums);
    return 0;
}
