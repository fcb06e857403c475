#include "loom/tenant/consumer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "loom/base/assert.h"

namespace loom::tenant {
namespace {

// Any bytes of a SHA-256 are as good as a hash of the key: nobody can choose keys whose digests collide here.
size_t first_bytes(const Sha256& hash) noexcept {
    uint64_t out;
    std::memcpy(&out, hash.data(), sizeof out);
    return static_cast<size_t>(out);
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view name) noexcept {
    if (patterns.empty()) return true;
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return matches_pattern(p, name); });
}

void wipe_keys(std::vector<ConsumerOptions>& options) noexcept {
    for (ConsumerOptions& o : options) {
        for (std::string& key : o.api_keys) secure_wipe(key);
    }
}

std::string_view trim_blanks(std::string_view s) noexcept {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
    return s;
}

/// The digests of one consumer's keys, plain ones hashed, or what is wrong with them.
std::expected<std::vector<Sha256>, std::string> hashes_of(const ConsumerOptions& options) {
    std::vector<Sha256> out;
    const std::string& name = options.consumer.name;
    for (const std::string& key : options.api_keys) {
        if (key.empty()) return std::unexpected("consumer '" + name + "' has an empty api_key");
        out.push_back(sha256(key));
    }
    for (const std::string& hex : options.api_key_sha256) {
        if (!hex_decode(hex, out.emplace_back()))
            return std::unexpected("consumer '" + name + "': api_key_sha256 must be 64 hexadecimal digits");
    }
    return out;
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == name;
}

bool Consumer::may_use_model(std::string_view model) const noexcept { return any_matches(models, model); }
bool Consumer::may_use_route(std::string_view route) const noexcept { return any_matches(routes, route); }

std::string team_key_of(std::string_view tenant, std::string_view team) {
    if (team.empty()) return {};
    // A team that a token calls "acme/dev" is no tenant's.
    if (tenant.empty() && !team.contains('/')) return std::string(team);
    std::string key;
    for (const char c : tenant) {
        if (c == '%')
            key += "%25";
        else if (c == '/')
            key += "%2F";
        else
            key += c;
    }
    return key.append("/").append(team);
}

std::expected<ConsumerTable, std::string> ConsumerTable::build(std::vector<ConsumerOptions> options) {
    struct Wiper {
        std::vector<ConsumerOptions>& options;
        ~Wiper() { wipe_keys(options); }
    } wiper{options};

    size_t key_count = 0;
    for (const ConsumerOptions& o : options) key_count += o.api_keys.size() + o.api_key_sha256.size();
    ConsumerTable table;
    table.make_room(key_count);
    table.consumers_.reserve(options.size());
    table.hashes_.resize(options.size());
    for (ConsumerOptions& o : options) {
        const std::string name = o.consumer.name;
        const uint32_t index = static_cast<uint32_t>(table.consumers_.size());
        if (!table.by_name_.emplace(name, index).second)
            return std::unexpected("consumer '" + name + "' is defined twice");
        auto hashes = hashes_of(o);
        if (!hashes) return std::unexpected(std::move(hashes).error());
        table.consumers_.push_back(std::move(o.consumer));
        table.consumers_.back().index = index;
        table.consumers_.back().team_key = team_key_of(table.consumers_.back().tenant, table.consumers_.back().team);
        for (const std::string& certificate : o.certificates) {
            const auto [known, is_new] = table.by_certificate_.emplace(certificate, index);
            if (!is_new && known->second != index)
                return std::unexpected("consumers '" + table.consumers_[known->second].name + "' and '" + name +
                                       "' have the same certificate");
        }
        for (const Sha256& hash : *hashes) {
            uint32_t owner = index;
            if (!table.insert(hash, index, owner) && owner != index)
                return std::unexpected("consumers '" + table.consumers_[owner].name + "' and '" + name +
                                       "' have the same key");
        }
    }
    return table;
}

const Consumer* ConsumerTable::find_certificate(std::string_view subject, std::span<const std::string> names,
                                                std::string_view fingerprint) const noexcept {
    if (by_certificate_.empty()) return nullptr;
    const Consumer* found = nullptr;
    bool several = false;
    const auto look = [&](std::string_view name) {
        const auto known = by_certificate_.find(name);
        if (known == by_certificate_.end()) return;
        const Consumer* const one = &consumers_[known->second];
        several = several || (found != nullptr && found != one);
        found = one;
    };
    for (const std::string& name : names) look(name);
    if (subject.size() < subject_bytes_max) look(subject);
    std::array<char, 128> marked;
    if (fingerprint_prefix.size() + fingerprint.size() <= marked.size()) {
        char* const end = std::ranges::copy(fingerprint, std::ranges::copy(fingerprint_prefix, marked.data()).out).out;
        look({marked.data(), end});
    }
    return several ? nullptr : found;
}

void ConsumerTable::make_room(size_t key_count) {
    slots_.assign(std::bit_ceil(std::max<size_t>(2 * key_count, 2)), Slot{});
}

size_t ConsumerTable::conf_key_count() const noexcept {
    return static_cast<size_t>(
        std::ranges::count_if(slots_, [](const Slot& slot) { return slot.consumer != vacant && !slot.issued; }));
}

ConsumerTable ConsumerTable::with_issued(const std::vector<IssuedKey>& keys, const std::vector<Consumer>& made) const {
    ConsumerTable table;
    const auto add = [&table](const Consumer& one) {
        const auto index = static_cast<uint32_t>(table.consumers_.size());
        if (!table.by_name_.emplace(one.name, index).second) return;
        table.consumers_.push_back(one);
        table.consumers_.back().index = index;
        table.consumers_.back().team_key = team_key_of(one.tenant, one.team);
    };
    for (const Consumer& one : consumers_)
        if (!one.made) add(one);  // the conf's stand before all others, so their places stay
    for (const Consumer& one : made) add(one);
    table.by_certificate_ = by_certificate_;
    table.hashes_.resize(table.consumers_.size());
    table.make_room(conf_key_count() + keys.size());
    uint32_t owner = 0;
    for (const Slot& slot : slots_)
        if (slot.consumer != vacant && !slot.issued) (void)table.insert(slot.hash, slot.consumer, owner);
    for (const IssuedKey& key : keys)
        if (const auto name = table.by_name_.find(key.consumer); name != table.by_name_.end())
            (void)table.insert(key.hash, name->second, owner, true);
    return table;
}

bool ConsumerTable::insert(const Sha256& hash, uint32_t consumer, uint32_t& owner, bool issued) {
    const size_t mask = slots_.size() - 1;
    for (size_t i = first_bytes(hash) & mask;; i = (i + 1) & mask) {
        Slot& slot = slots_[i];
        if (slot.consumer == vacant) {
            slot = {hash, consumer, issued};
            hashes_[consumer].push_back(hash);
            return true;
        }
        if (slot.hash == hash) {
            owner = slot.consumer;
            return false;
        }
    }
}

const Consumer* ConsumerTable::find(const Sha256& hash) const noexcept {
    if (slots_.empty()) return nullptr;
    const size_t mask = slots_.size() - 1;
    const Consumer* found = nullptr;
    size_t i = first_bytes(hash) & mask;
    // Walks the whole run, found or not, and compares all 32 bytes of each; a vacant slot is compared too, so that even
    // a key that meets nothing costs one comparison. The length of the run depends on the digest, which tells nothing
    // of the keys.
    for (;; i = (i + 1) & mask) {
        const Slot& slot = slots_[i];
        const bool same = equal_constant_time(slot.hash, hash);
        if (slot.consumer == vacant) break;
        if (same) found = &consumers_[slot.consumer];
    }
    return found;
}

const Consumer* ConsumerTable::named(std::string_view name) const noexcept {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &consumers_[found->second];
}

const Consumer* ConsumerTable::find_signer(std::string_view name, std::string_view text,
                                           std::string_view mac_hex) const noexcept {
    const Consumer* const signer = named(name);
    Sha256 mac;
    if (signer == nullptr || !hex_decode(mac_hex, mac)) return nullptr;
    bool fits = false;
    for (const Sha256& hash : hashes_[signer->index]) fits = equal_constant_time(hmac_sha256(hash, text), mac) || fits;
    return fits ? signer : nullptr;
}

std::string_view bearer_token(std::string_view authorization_value) noexcept {
    static constexpr std::string_view scheme = "bearer";
    const std::string_view value = trim_blanks(authorization_value);
    if (value.size() <= scheme.size()) return {};
    for (size_t i = 0; i < scheme.size(); ++i) {
        if ((value[i] | 0x20) != scheme[i]) return {};
    }
    const std::string_view rest = value.substr(scheme.size());
    if (rest.front() != ' ' && rest.front() != '\t') return {};
    return trim_blanks(rest);
}

}  // namespace loom::tenant
