#include "loom/cache/snapshot_record.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

namespace loom::cache {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr uint64_t time_ms_max = uint64_t{1} << 53;  // beyond all that sums of it could overflow with
constexpr size_t dimensions_max = 1u << 16;

class Writer {
  public:
    explicit Writer(std::string& to) noexcept : to_(to) {}
    template <class Number>
    void number(Number value) {
        to_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void text(std::string_view value) {
        number(static_cast<uint32_t>(value.size()));
        to_ += value;
    }
    void key(const Key& value) {
        number(value.low);
        number(value.high);
    }
    void floats(const std::vector<float>& values) {
        number(static_cast<uint32_t>(values.size()));
        to_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }

  private:
    std::string& to_;
};

/// Of what is missing it reads zeros, and says so in the end.
class Reader {
  public:
    explicit Reader(std::string_view bytes) noexcept : bytes_(bytes) {}
    template <class Number>
    Number number() noexcept {
        Number value{};
        const std::string_view raw = take(sizeof value);
        if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }
    std::string text() { return std::string(take(number<uint32_t>())); }
    Key key() noexcept {
        Key value;
        value.low = number<uint64_t>();
        value.high = number<uint64_t>();
        return value;
    }
    std::vector<float> floats() {
        const auto count = number<uint32_t>();
        const std::string_view raw = take(uint64_t{count} * sizeof(float));
        std::vector<float> values(raw.size() / sizeof(float));
        if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(float));
        return values;
    }
    uint64_t time_ms() noexcept {
        const auto value = number<uint64_t>();
        good_ &= value <= time_ms_max;
        return good_ ? value : 0;
    }
    uint8_t below(uint8_t bound) noexcept {
        const auto value = number<uint8_t>();
        good_ &= value < bound;
        return good_ ? value : uint8_t{0};
    }
    /// All was there, and nothing is left.
    [[nodiscard]] bool is_over() const noexcept { return good_ && bytes_.empty(); }

  private:
    std::string_view take(uint64_t size) noexcept {
        if (!good_ || size > bytes_.size()) {
            good_ = false;
            return {};
        }
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }

    std::string_view bytes_;
    bool good_ = true;
};

uint64_t left(uint64_t until_ms, uint64_t now_ms) noexcept { return until_ms - std::min(until_ms, now_ms); }

void write_answer(Writer& to, const Answer& answer, const SnapshotMoment& moment) {
    to.number(std::min(answer.age_ms(moment.now_ms), time_ms_max));
    to.number(std::min(left(answer.fresh_until_ms, moment.now_ms), time_ms_max));
    to.number(std::min(left(answer.kept_until_ms, moment.now_ms), time_ms_max));
    to.number(static_cast<uint8_t>(answer.form));
    to.number(static_cast<uint8_t>(answer.tells_usage));
    for (const uint64_t count :
         {answer.input_tokens, answer.output_tokens, answer.cached_input_tokens, answer.reasoning_tokens})
        to.number(count);
    to.number(static_cast<int64_t>(answer.cost));
    for (const std::string* const text : {&answer.scope, &answer.tenant, &answer.model, &answer.body}) to.text(*text);
}

std::shared_ptr<Answer> read_answer(Reader& from, const SnapshotMoment& moment) {
    auto answer = std::make_shared<Answer>();
    answer->stored_ms = moment.now_ms;
    answer->aged_ms = from.time_ms() + moment.elapsed_ms;
    const uint64_t fresh_ms = std::min(left(from.time_ms(), moment.elapsed_ms), left(moment.ttl_ms, answer->aged_ms));
    const uint64_t kept_ms = left(from.time_ms(), moment.elapsed_ms);
    const uint64_t stale_ms = left(moment.stale_ms, left(answer->aged_ms, moment.ttl_ms));
    answer->fresh_until_ms = moment.now_ms + fresh_ms;
    answer->kept_until_ms = moment.now_ms + std::min(kept_ms, fresh_ms + std::min(stale_ms, time_ms_max));
    answer->form = static_cast<Form>(from.below(static_cast<uint8_t>(Form::usage_events) + 1));
    answer->tells_usage = from.below(2) == 1;
    for (uint64_t* const count :
         {&answer->input_tokens, &answer->output_tokens, &answer->cached_input_tokens, &answer->reasoning_tokens})
        *count = from.number<uint64_t>();
    answer->cost = from.number<int64_t>();
    for (std::string* const text : {&answer->scope, &answer->tenant, &answer->model, &answer->body})
        *text = from.text();
    return answer;
}

/// As all that come into an index are.
bool is_unit(const std::vector<float>& vector) noexcept {
    constexpr double tolerance = 0.02;
    double sum = 0;
    for (const float one : vector) sum += double{one} * double{one};
    return std::abs(sum - 1) <= tolerance;  // false of what is no number
}

}  // namespace

bool EmbedderMark::is_like(const EmbedderMark& other) const noexcept {
    constexpr float rounding = 1e-3f;
    if (identity != other.identity || probe.size() != other.probe.size()) return false;
    if (identity == 0 && dimensions != other.dimensions) return false;
    return std::ranges::equal(probe, other.probe, [](float one, float two) { return std::abs(one - two) <= rounding; });
}

std::string SnapshotHead::write() const {
    std::string bytes;
    Writer to(bytes);
    to.number(static_cast<uint8_t>(kind));
    to.text(version);
    to.number(seed);
    to.number(wall_ms);
    to.number(embedder.identity);
    to.number(embedder.dimensions);
    to.floats(embedder.probe);
    return bytes;
}

std::optional<SnapshotHead> SnapshotHead::read(std::string_view bytes) {
    Reader from(bytes);
    SnapshotHead head;
    const uint8_t kind = from.below(3);
    head.kind = static_cast<Kind>(kind);
    head.version = from.text();
    head.seed = from.number<uint64_t>();
    head.wall_ms = from.time_ms();
    head.embedder.identity = from.number<uint64_t>();
    head.embedder.dimensions = from.number<uint32_t>();
    head.embedder.probe = from.floats();
    if (!from.is_over() || kind == 0 || head.embedder.dimensions > dimensions_max) return std::nullopt;
    return head;
}

void write_record(std::string& to, const KeptAnswer& kept, const SnapshotMoment& moment) {
    Writer writer(to);
    writer.key(kept.key);
    writer.number(static_cast<uint8_t>(kept.asked));
    write_answer(writer, *kept.answer, moment);
}

std::optional<KeptAnswer> read_answer_record(std::string_view record, const SnapshotMoment& moment) {
    constexpr uint8_t asked_bound = 16;
    Reader from(record);
    KeptAnswer kept;
    kept.key = from.key();
    kept.asked = from.below(asked_bound);
    kept.answer = read_answer(from, moment);
    return from.is_over() ? std::optional(std::move(kept)) : std::nullopt;
}

void write_record(std::string& to, const KeptEntry& kept, const SnapshotMoment& moment) {
    Writer writer(to);
    writer.key(kept.partition);
    writer.key(kept.entry.key);
    writer.text(kept.entry.scope);
    writer.text(kept.entry.text);
    writer.number(std::min(left(kept.entry.fresh_until_ms, moment.now_ms), time_ms_max));
    writer.floats(kept.vector);
    write_answer(writer, *kept.entry.answer, moment);
}

std::optional<KeptEntry> read_entry_record(std::string_view record, const SnapshotMoment& moment) {
    Reader from(record);
    KeptEntry kept;
    kept.partition = from.key();
    kept.entry.key = from.key();
    kept.entry.scope = from.text();
    kept.entry.text = from.text();
    kept.entry.fresh_until_ms = moment.now_ms + left(from.time_ms(), moment.elapsed_ms);
    kept.vector = from.floats();
    kept.entry.answer = read_answer(from, moment);
    const bool good = from.is_over() && !kept.vector.empty() && is_unit(kept.vector);
    return good ? std::optional(std::move(kept)) : std::nullopt;
}

}  // namespace loom::cache
