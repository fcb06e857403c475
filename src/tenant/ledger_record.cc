#include "loom/tenant/ledger_record.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::tenant {
namespace {

constexpr uint8_t version = 1;
constexpr uint8_t version_with_asked = 2;  // of an intent
enum class Type : uint8_t { begin = 1, intent = 2, settlement = 3, sealed = 4, local = 5 };

constexpr size_t checksum_at = 8;
constexpr size_t hash_bytes = 17;  // "~" and 16 hexadecimal digits
constexpr size_t text_count = 9;
constexpr size_t intent_fixed_bytes = 48;
static_assert(ledger_header_bytes + intent_fixed_bytes + text_count * (1 + ledger_text_bytes_max) <=
              ledger_record_bytes_max);
constexpr size_t local_text_count = 7;
constexpr size_t local_fixed_bytes = 72;
static_assert(ledger_header_bytes + local_fixed_bytes + local_text_count * (1 + ledger_text_bytes_max) <=
              ledger_record_bytes_max);

template <class T>
T little(T value) noexcept {
    if constexpr (std::endian::native == std::endian::big) return std::byteswap(value);
    return value;
}

/// Puts numbers one behind the other.
class Writer {
  public:
    explicit Writer(std::span<char> out) noexcept : out_(out) { LOOM_ASSERT(out.size() >= ledger_record_bytes_max); }
    template <class T>
    Writer& put(T value) noexcept {
        const T wire = little(value);
        std::memcpy(out_.data() + at_, &wire, sizeof wire);
        at_ += sizeof wire;
        return *this;
    }
    Writer& put_text(std::string_view text) noexcept {
        std::array<char, ledger_text_bytes_max> room;
        const std::string_view bounded = bounded_ledger_text(text, room);
        put(static_cast<uint8_t>(bounded.size()));
        if (!bounded.empty()) std::memcpy(out_.data() + at_, bounded.data(), bounded.size());
        at_ += bounded.size();
        return *this;
    }
    [[nodiscard]] size_t finish() noexcept;

  private:
    std::span<char> out_;
    size_t at_ = 0;
};

/// Over all that is not the checksum itself: what stands before it is the seed.
uint64_t checksum_of(std::string_view record) noexcept {
    uint64_t front;
    std::memcpy(&front, record.data(), sizeof front);
    return hash64(record.substr(ledger_header_bytes), little(front));
}

size_t Writer::finish() noexcept {
    const uint32_t length = little(static_cast<uint32_t>(at_));
    std::memcpy(out_.data(), &length, sizeof length);
    const uint64_t checksum = little(checksum_of({out_.data(), at_}));
    std::memcpy(out_.data() + checksum_at, &checksum, sizeof checksum);
    return at_;
}

Writer begin_record(Type type, std::span<char> out, uint8_t of = version) noexcept {
    Writer writer(out);
    writer.put(uint32_t{0}).put(static_cast<uint8_t>(type)).put(of).put(uint16_t{0}).put(uint64_t{0});
    return writer;
}

/// Takes numbers one behind the other. Beyond the end all are 0, and `good` is false.
class Reader {
  public:
    explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}
    template <class T>
    Reader& take(T& value) noexcept {
        if (rest_.size() < sizeof value) {
            good_ = false;
            value = 0;
            return *this;
        }
        std::memcpy(&value, rest_.data(), sizeof value);
        value = little(value);
        rest_.remove_prefix(sizeof value);
        return *this;
    }
    Reader& take_text(std::string_view& text) noexcept {
        uint8_t length = 0;
        take(length);
        if (length > ledger_text_bytes_max || length > rest_.size()) good_ = false;
        if (!good_) return *this;
        text = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return *this;
    }
    /// All was there, and nothing is left.
    [[nodiscard]] bool whole() const noexcept { return good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

uint64_t bounded(uint64_t tokens) noexcept { return std::min(tokens, ledger_tokens_max); }
Money bounded_cost(Money cost) noexcept { return std::max<Money>(cost, -1); }

std::optional<LedgerRecord> read_begin(std::string_view payload) noexcept {
    LedgerBegin begin;
    uint32_t zero = 0;
    uint64_t more = 0;
    Reader reader(payload);
    reader.take(begin.epoch).take(begin.shard).take(begin.number).take(zero).take(begin.time_us).take(more);
    if (!reader.whole() || zero != 0 || more != 0) return std::nullopt;
    return begin;
}

std::optional<LedgerRecord> read_intent(std::string_view payload, uint8_t written_version) noexcept {
    LedgerIntent intent;
    Reader reader(payload);
    reader.take(intent.id).take(intent.request).take(intent.time_us);
    reader.take(intent.input_tokens).take(intent.output_tokens).take(intent.cost);
    for (std::string_view* const text : {&intent.consumer, &intent.team, &intent.project, &intent.tenant, &intent.tier,
                                         &intent.route, &intent.provider, &intent.model})
        reader.take_text(*text);
    if (written_version == version_with_asked) reader.take_text(intent.asked_model);
    const bool sane = (written_version == version) == intent.asked_model.empty() &&
                      intent.input_tokens <= ledger_tokens_max && intent.output_tokens <= ledger_tokens_max;
    if (!reader.whole() || !sane || intent.cost < -1) return std::nullopt;
    return intent;
}

std::optional<LedgerRecord> read_settlement(std::string_view payload) noexcept {
    LedgerSettlement settlement;
    uint8_t exit = 0, provenance = 0;
    uint32_t zero = 0;
    Reader reader(payload);
    reader.take(settlement.id).take(exit).take(provenance).take(settlement.status).take(zero);
    bool sane = exit < ledger_exit_count && provenance < ledger_provenance_count && zero == 0;
    LedgerTokens& tokens = settlement.tokens;
    for (uint64_t* const count : {&tokens.input, &tokens.cached_input, &tokens.cache_write, &tokens.cache_write_1h,
                                  &tokens.output, &tokens.reasoning}) {
        reader.take(*count);
        sane = sane && *count <= ledger_tokens_max;
    }
    reader.take(settlement.cost);
    if (!reader.whole() || !sane || settlement.cost < -1) return std::nullopt;
    settlement.exit = static_cast<LedgerExit>(exit);
    settlement.provenance = static_cast<LedgerProvenance>(provenance);
    return settlement;
}

std::optional<LedgerRecord> read_local(std::string_view payload) noexcept {
    LedgerLocal local;
    uint8_t exit = 0, tells = 0;
    Reader reader(payload);
    reader.take(local.id).take(local.request).take(local.time_us);
    reader.take(exit).take(tells).take(local.status).take(local.count);
    bool sane = exit < ledger_local_exit_count && tells <= 1 && local.count > 0;
    for (uint64_t* const count : {&local.input_tokens, &local.cached_input, &local.output_tokens, &local.reasoning}) {
        reader.take(*count);
        sane = sane && *count <= ledger_tokens_max;
    }
    reader.take(local.saved);
    for (std::string_view* const text :
         {&local.consumer, &local.team, &local.project, &local.tenant, &local.tier, &local.route, &local.model})
        reader.take_text(*text);
    if (!reader.whole() || !sane || local.saved < -1) return std::nullopt;
    local.exit = static_cast<LedgerLocalExit>(exit);
    local.tells_tokens = tells != 0;
    return local;
}

std::optional<LedgerRecord> read_payload(uint8_t type, uint8_t written_version, std::string_view payload) noexcept {
    const uint8_t newest = type == static_cast<uint8_t>(Type::intent) ? version_with_asked : version;
    if (type > static_cast<uint8_t>(Type::local) || written_version > newest)
        return LedgerUnknown{.type = type, .version = written_version};
    switch (static_cast<Type>(type)) {
        case Type::begin: return read_begin(payload);
        case Type::intent: return read_intent(payload, written_version);
        case Type::settlement: return read_settlement(payload);
        case Type::local: return read_local(payload);
        case Type::sealed: break;  // a frame, which is read before (segment_cipher.h)
    }
    return std::nullopt;
}

}  // namespace

std::string_view ledger_provenance_name(LedgerProvenance provenance) noexcept {
    constexpr std::array<std::string_view, ledger_provenance_count> names = {"none", "reported", "counted",
                                                                             "estimated"};
    return names[static_cast<size_t>(provenance)];
}

std::string_view ledger_exit_name(LedgerExit exit) noexcept {
    constexpr std::array<std::string_view, ledger_exit_count> names = {
        "answered", "refused", "cancelled_by_client", "cut_by_upstream", "failed_over", "hedged", "failed",
        "unsent",   "lost",    "stopped_by_budget",   "stopped_by_guard"};
    return names[static_cast<size_t>(exit)];
}

std::string_view ledger_local_exit_name(LedgerLocalExit exit) noexcept {
    constexpr std::array<std::string_view, ledger_local_exit_count> names = {
        "exact", "semantic", "stale",   "joined",  "limit",    "budget",
        "guard", "access",   "request", "unknown", "capacity", "uncached"};
    return names[static_cast<size_t>(exit)];
}

std::string_view bounded_ledger_text(std::string_view text, std::span<char> room) noexcept {
    if (text.size() <= ledger_text_bytes_max) return text;
    LOOM_ASSERT(room.size() >= ledger_text_bytes_max);
    constexpr size_t kept = ledger_text_bytes_max - hash_bytes;
    std::memcpy(room.data(), text.data(), kept);
    room[kept] = '~';
    uint64_t hash = hash64(text);
    for (size_t i = kept + 1; i < ledger_text_bytes_max; ++i, hash >>= 4) room[i] = "0123456789abcdef"[hash & 15];
    return {room.data(), ledger_text_bytes_max};
}

size_t write_ledger_record(const LedgerBegin& begin, std::span<char> out) noexcept {
    Writer writer = begin_record(Type::begin, out);
    writer.put(begin.epoch).put(begin.shard).put(begin.number).put(uint32_t{0}).put(begin.time_us).put(uint64_t{0});
    return writer.finish();
}

size_t write_ledger_record(const LedgerIntent& intent, std::span<char> out) noexcept {
    Writer writer = begin_record(Type::intent, out, intent.asked_model.empty() ? version : version_with_asked);
    writer.put(intent.id).put(intent.request).put(intent.time_us);
    writer.put(bounded(intent.input_tokens)).put(bounded(intent.output_tokens)).put(bounded_cost(intent.cost));
    for (const std::string_view text : {intent.consumer, intent.team, intent.project, intent.tenant, intent.tier,
                                        intent.route, intent.provider, intent.model})
        writer.put_text(text);
    if (!intent.asked_model.empty()) writer.put_text(intent.asked_model);
    return writer.finish();
}

size_t write_ledger_record(const LedgerSettlement& settlement, std::span<char> out) noexcept {
    Writer writer = begin_record(Type::settlement, out);
    writer.put(settlement.id).put(static_cast<uint8_t>(settlement.exit));
    writer.put(static_cast<uint8_t>(settlement.provenance)).put(settlement.status).put(uint32_t{0});
    const LedgerTokens& tokens = settlement.tokens;
    for (const uint64_t count : {tokens.input, tokens.cached_input, tokens.cache_write, tokens.cache_write_1h,
                                 tokens.output, tokens.reasoning})
        writer.put(bounded(count));
    writer.put(bounded_cost(settlement.cost));
    return writer.finish();
}

size_t write_ledger_record(const LedgerLocal& local, std::span<char> out) noexcept {
    LOOM_ASSERT(local.count > 0);
    Writer writer = begin_record(Type::local, out);
    writer.put(local.id).put(local.request).put(local.time_us);
    writer.put(static_cast<uint8_t>(local.exit)).put(static_cast<uint8_t>(local.tells_tokens ? 1 : 0));
    writer.put(local.status).put(local.count);
    for (const uint64_t count : {local.input_tokens, local.cached_input, local.output_tokens, local.reasoning})
        writer.put(bounded(count));
    writer.put(bounded_cost(local.saved));
    for (const std::string_view text :
         {local.consumer, local.team, local.project, local.tenant, local.tier, local.route, local.model})
        writer.put_text(text);
    return writer.finish();
}

LedgerRead read_ledger_record(std::string_view bytes) noexcept {
    LedgerRead read;
    uint32_t length = 0;
    uint8_t type = 0, written_version = 0;
    uint16_t zero = 0;
    uint64_t checksum = 0;
    if (bytes.size() < ledger_header_bytes) {
        read.state = LedgerRead::State::incomplete;
        return read;
    }
    Reader(bytes.substr(0, ledger_header_bytes))
        .take(length)
        .take(type)
        .take(written_version)
        .take(zero)
        .take(checksum);
    const bool plausible = length > ledger_header_bytes && length <= ledger_record_bytes_max && type >= 1 &&
                           type <= ledger_type_max && type != static_cast<uint8_t>(Type::sealed) &&
                           written_version >= 1 && written_version <= ledger_version_max && zero == 0;
    if (!plausible) return read;
    if (bytes.size() < length) {
        read.state = LedgerRead::State::incomplete;
        return read;
    }
    const std::string_view record = bytes.substr(0, length);
    if (checksum_of(record) != checksum) return read;
    const auto payload = read_payload(type, written_version, record.substr(ledger_header_bytes));
    if (!payload) return read;
    read.state = LedgerRead::State::whole;
    read.bytes = length;
    read.checksum = checksum;
    read.record = *payload;
    return read;
}

size_t ledger_record_bytes(std::string_view written) noexcept {
    uint32_t length = 0;
    LOOM_ASSERT(written.size() >= sizeof length);
    std::memcpy(&length, written.data(), sizeof length);
    return little(length);
}

}  // namespace loom::tenant
