#include "loom/cache/fingerprint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "loom/base/stream_hash.h"

namespace loom::cache {
namespace {

using Names = std::span<const std::string_view>;

// OpenAI, API reference, "Create chat completion", "Create a model response", "Create embeddings".
constexpr std::string_view chat_left_out[] = {
    "model",
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "prompt_cache_retention",
    "store",
};
// Live search that is no tool: OpenAI's, xAI's, OpenRouter's (plugins), Qwen's.
constexpr std::string_view chat_state[] = {"store", "web_search_options", "search_parameters", "plugins",
                                           "enable_search"};
constexpr std::string_view responses_state[] = {"store",  "previous_response_id", "conversation", "background",
                                                "prompt", "search_parameters",    "plugins",      "enable_search"};
constexpr std::string_view embeddings_left_out[] = {"model", "user"};
// Anthropic, API reference, "Messages".
constexpr std::string_view anthropic_left_out[] = {"model", "stream", "metadata", "service_tier"};
constexpr std::string_view anthropic_state[] = {"mcp_servers", "container"};
// Google, Gemini API, "generateContent" (its path names the model); labels are Vertex's, for the bill.
constexpr std::string_view gemini_left_out[] = {"labels"};
constexpr std::string_view gemini_state[] = {"cachedContent", "cached_content"};

bool holds(Names names, std::string_view name) noexcept {
    for (const std::string_view one : names)
        if (one == name) return true;
    return false;
}

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// One member: its name's hash, and its value's.
struct Member {
    uint64_t name;
    Hash128 value;
};
static_assert(sizeof(Member) == 24, "hashed as bytes: no padding");

/// The hash of pieces that are one text, most of them short: they are gathered first, and a text that fits is hashed at
/// once.
class Gathered {
  public:
    explicit Gathered(uint64_t seed) noexcept : seed_(seed) {}
    void add(std::string_view bytes) noexcept {
        if (bytes.size() > room_.size() - used_) flush();
        if (bytes.size() > room_.size()) return hash_->add(bytes);
        if (!bytes.empty()) std::memcpy(room_.data() + used_, bytes.data(), bytes.size());
        used_ += bytes.size();
    }
    template <class Number>
    void add_number(Number number) noexcept {
        add({reinterpret_cast<const char*>(&number), sizeof number});
    }
    [[nodiscard]] Hash128 value() noexcept {
        if (!hash_) return hash128({room_.data(), used_}, seed_);
        flush();
        return hash_->value();
    }

  private:
    void flush() noexcept {
        if (!hash_) hash_.emplace(seed_);
        hash_->add({room_.data(), used_});
        used_ = 0;
    }
    const uint64_t seed_;
    std::optional<StreamHash128> hash_;
    std::array<char, 768> room_;
    size_t used_ = 0;
};

/// Walks the members of an object. Where the document ends too early every function stops at its end.
class Walk {
  public:
    explicit Walk(std::string_view document) noexcept : at_(document.data()), end_(at_ + document.size()) {}

    void skip_space() noexcept {
        while (at_ < end_ && is_space(*at_)) ++at_;
    }
    [[nodiscard]] bool take(char c) noexcept {
        skip_space();
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    [[nodiscard]] bool at_end() noexcept {
        skip_space();
        return at_ == end_;
    }

    /// A string's inside, as it is spelled.
    [[nodiscard]] bool take_name(std::string_view& name) noexcept {
        skip_space();
        if (at_ == end_ || *at_ != '"') return false;
        const char* const begin = at_ + 1;
        if (!skip_string()) return false;
        name = {begin, static_cast<size_t>(at_ - 1 - begin)};
        return true;
    }

    /// Up to the comma or the brace behind it. spaced  there is white space between its tokens.
    [[nodiscard]] bool take_value(std::string_view& value, bool& spaced) noexcept {
        skip_space();
        const char* const begin = at_;
        const char* last = at_;  // behind the last byte that is none of white space
        uint32_t depth = 0;
        spaced = false;
        while (at_ < end_) {
            const char c = *at_;
            if (c == '"') {
                if (last != at_) spaced = true;
                if (!skip_string()) return false;
                last = at_;
                continue;
            }
            if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
            ++at_;
            if (is_space(c)) continue;
            if (last != at_ - 1) spaced = true;
            last = at_;
            if (c == '{' || c == '[') depth += 1;
            if (c == '}' || c == ']') depth -= 1;
        }
        value = {begin, static_cast<size_t>(last - begin)};
        return !value.empty() && depth == 0;
    }

    /// Hashed without white space between tokens.
    [[nodiscard]] static Hash128 squeeze(std::string_view value, uint64_t seed) noexcept {
        Gathered squeezed(seed);
        Walk walk(value);
        const char* run = walk.at_;
        while (walk.at_ < walk.end_) {
            if (*walk.at_ == '"') {
                if (!walk.skip_string()) break;
                continue;
            }
            if (!is_space(*walk.at_)) {
                ++walk.at_;
                continue;
            }
            squeezed.add({run, static_cast<size_t>(walk.at_ - run)});
            walk.skip_space();
            run = walk.at_;
        }
        squeezed.add({run, static_cast<size_t>(walk.at_ - run)});
        return squeezed.value();
    }

  private:
    /// The string under the walk: a quote behind an even count of backslashes ends it.
    [[nodiscard]] bool skip_string() noexcept {
        const char* const begin = ++at_;
        while (at_ < end_) {
            const auto* const quote = static_cast<const char*>(std::memchr(at_, '"', static_cast<size_t>(end_ - at_)));
            if (quote == nullptr) break;
            const char* slash = quote;
            while (slash > begin && slash[-1] == '\\') --slash;
            at_ = quote + 1;
            if ((quote - slash) % 2 == 0) return true;
        }
        at_ = end_;
        return false;
    }

    const char* at_;
    const char* end_;
};

/// The members of one document that count, by their names' hashes. Of the same name they stay in their order: who reads
/// the first and who reads the last of them read two documents.
class Members {
  public:
    [[nodiscard]] bool add(Member member) noexcept {
        if (count_ == members_max) return false;
        size_t place = count_++;
        for (; place > 0 && members_[place - 1].name > member.name; --place) members_[place] = members_[place - 1];
        members_[place] = member;
        return true;
    }
    [[nodiscard]] std::string_view bytes() const noexcept {
        return {reinterpret_cast<const char*>(members_.data()), count_ * sizeof(Member)};
    }

  private:
    std::array<Member, members_max> members_;
    size_t count_ = 0;
};

constexpr const char* no_object = "the document is no JSON object";
constexpr const char* too_many = "the document has too many members";
constexpr const char* has_state = "the answer stands on what is kept elsewhere";

const char* read_members(Family family, std::string_view document, uint64_t seed, Members& members) noexcept {
    const Names left_out = members_left_out(family);
    const Names state = members_of_state(family);
    Walk walk(document);
    if (!walk.take('{')) return no_object;
    if (walk.take('}')) return walk.at_end() ? nullptr : no_object;
    do {
        std::string_view name, value;
        bool spaced = false;
        if (!walk.take_name(name) || !walk.take(':') || !walk.take_value(value, spaced)) return no_object;
        if (value != "null" && value != "false" && holds(state, name)) return has_state;
        if (holds(left_out, name)) continue;
        const Member member{.name = hash64(name, seed),
                            .value = spaced ? Walk::squeeze(value, seed) : hash128(value, seed)};
        if (!members.add(member)) return too_many;
    } while (walk.take(','));
    return walk.take('}') && walk.at_end() ? nullptr : no_object;
}

}  // namespace

Names members_left_out(Family family) noexcept {
    switch (family) {
        case Family::openai_chat:
        case Family::openai_responses: return chat_left_out;
        case Family::openai_embeddings: return embeddings_left_out;
        case Family::anthropic: return anthropic_left_out;
        case Family::gemini: return gemini_left_out;
        case Family::gemini_embeddings: return {};
    }
    return {};
}

Names members_of_state(Family family) noexcept {
    switch (family) {
        case Family::openai_chat: return chat_state;
        case Family::openai_responses: return responses_state;
        case Family::anthropic: return anthropic_state;
        case Family::gemini: return gemini_state;
        default: return {};
    }
}

Fingerprint fingerprint(Family family, std::string_view document, std::span<const std::string_view> beside,
                        uint64_t seed) noexcept {
    Members members;
    if (const char* const refusal = read_members(family, document, seed, members); refusal != nullptr)
        return {.refusal = refusal};
    Gathered hash(seed);
    hash.add_number(static_cast<uint64_t>(family) << 32 | beside.size());
    for (const std::string_view text : beside) {
        hash.add_number(uint64_t{text.size()});
        hash.add(text);
    }
    hash.add(members.bytes());
    return {.key = hash.value()};
}

}  // namespace loom::cache
