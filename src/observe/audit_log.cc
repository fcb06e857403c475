#include "loom/observe/audit_log.h"

#include <algorithm>
#include <utility>

#include "json_text.h"

namespace loom::observe {
namespace {

constexpr struct {
    size_t request_id = 128, consumer = 64, tenant = 64, route = 64, model = 128, outcome = 32;
} bytes_max;
constexpr struct {
    size_t side = 16, detector = 64, type = 64, action = 16;
} find_bytes_max;
constexpr size_t number_bytes_max = 21;  // with its comma
constexpr size_t find_frame_bytes_max = 96;
constexpr size_t find_text_bytes_max =
    find_bytes_max.side + find_bytes_max.detector + find_bytes_max.type + find_bytes_max.action;
/// Of finds' texts nothing needs escaping: names of the conf's, words of ours, and what guards outside of Loom say, of
/// which their reader leaves signs that need none.
constexpr size_t find_line_bytes_max =
    find_text_bytes_max + find_frame_bytes_max + (AuditFind::offsets_max + 1) * number_bytes_max;
constexpr size_t text_bytes_max = bytes_max.request_id + bytes_max.consumer + bytes_max.tenant + bytes_max.route +
                                  bytes_max.model + bytes_max.outcome;
static_assert(text_bytes_max * escaped_bytes_max + AuditRecord::finds_max * find_line_bytes_max + 512 <= line_bytes_max,
              "a line is formatted without looking at what room is left");

template <size_t n>
char* put_member(char* out, const char (&key)[n], std::string_view value, size_t most) noexcept {
    if (value.empty()) return out;
    out = put(out, key);
    out = put_text(out, value, most);
    *out++ = '"';
    return out;
}

template <size_t n>
char* put_name(char* out, const char (&key)[n], std::string_view value, size_t most) noexcept {
    out = put(out, key);
    value = value.substr(0, most);
    out = std::ranges::copy(value, out).out;
    *out++ = '"';
    return out;
}

char* put_find(char* out, const AuditFind& find) noexcept {
    out = put_name(out, "{\"side\":\"", find.side, find_bytes_max.side);
    out = put_name(out, ",\"detector\":\"", find.detector, find_bytes_max.detector);
    out = put_name(out, ",\"type\":\"", find.type, find_bytes_max.type);
    out = put_name(out, ",\"action\":\"", find.action, find_bytes_max.action);
    out = put(out, ",\"count\":");
    out = put_number(out, find.count);
    if (find.offset_count > 0) {
        out = put(out, ",\"offsets\":[");
        for (uint32_t i = 0; i < find.offset_count; ++i) {
            if (i > 0) *out++ = ',';
            out = put_number(out, find.offsets[i]);
        }
        *out++ = ']';
    }
    *out++ = '}';
    return out;
}

}  // namespace

char* format_audit_line(const AuditRecord& r, const char* second_text, char* out) noexcept {
    out = put(out, "{\"time\":\"");
    out = std::copy_n(second_text, 19, out);
    *out++ = '.';
    out = put_padded<6>(out, static_cast<uint32_t>(r.time_us % 1'000'000));
    out = put(out, "Z\"");
    out = put_member(out, ",\"request_id\":\"", r.request_id, bytes_max.request_id);
    out = put_member(out, ",\"tenant\":\"", r.tenant, bytes_max.tenant);
    out = put_member(out, ",\"consumer\":\"", r.consumer, bytes_max.consumer);
    out = put_member(out, ",\"route\":\"", r.route, bytes_max.route);
    out = put_member(out, ",\"model\":\"", r.model, bytes_max.model);
    out = put_member(out, ",\"outcome\":\"", r.outcome, bytes_max.outcome);
    out = put(out, ",\"status\":");
    out = put_number(out, r.status);
    if (r.dry_run) out = put(out, ",\"dry_run\":true");
    out = put(out, ",\"finds\":[");
    const auto finds = r.finds.first(std::min(r.finds.size(), AuditRecord::finds_max));
    for (const AuditFind& find : finds) {
        if (&find != finds.data()) *out++ = ',';
        out = put_find(out, find);
    }
    *out++ = ']';
    if (r.more > 0) {
        out = put(out, ",\"more\":");
        out = put_number(out, r.more);
    }
    return put(out, "}\n");
}

bool ShardAuditLog::record(const AuditRecord& record) noexcept {
    char* const out = lines_.reserve();
    if (out == nullptr) [[unlikely]]
        return false;
    lines_.commit(format_audit_line(record, second_text_.at(record.time_us / 1'000'000), out));
    return true;
}

Result<std::unique_ptr<AuditLog>> AuditLog::open(LineLog::Options options) {
    const uint32_t shard_count = options.shard_count;
    std::unique_ptr<AuditLog> log(new AuditLog());
    log->lines_ = LOOM_TRY(LineLog::open(std::move(options)));
    for (uint32_t i = 0; i < shard_count && log->lines_->shard(i) != nullptr; ++i)
        log->shards_.push_back(std::make_unique<ShardAuditLog>(*log->lines_->shard(i)));
    return log;
}

}  // namespace loom::observe
