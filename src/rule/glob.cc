#include "glob.h"

#include "loom/rule/rule.h"

namespace loom::rule {

class GlobReader {
  public:
    explicit GlobReader(std::string_view pattern) noexcept : rest_(pattern) {}

    std::expected<Glob, const char*> run() noexcept {
        while (!rest_.empty() && fault_ == nullptr) read_step();
        if (fault_ != nullptr) return std::unexpected(fault_);
        glob_.last_ = bit_;
        return glob_;
    }

  private:
    void read_step() noexcept {
        const char c = take();
        if (c == '*') {
            glob_.loops_ |= bit_;
        } else if (c == '?') {
            for (unsigned byte = 0; byte < 256; ++byte)
                if (!continues(byte)) add(byte);
            next();
            glob_.trails_ |= bit_;
        } else if (c == '[') {
            read_class();
        } else {
            add(static_cast<uint8_t>(c));
            next();
        }
    }

    void read_class() noexcept {
        const bool negated = rest_.starts_with('!') || rest_.starts_with('^');
        if (negated) take();
        std::array<bool, 128> members{};
        bool first = true;
        while (fault_ == nullptr && (first || !rest_.starts_with(']'))) {
            first = false;
            read_range(members);
        }
        if (fault_ != nullptr) return;
        take();
        for (unsigned byte = 0; byte < 256; ++byte)
            if (!continues(byte) && (byte < 128 && members[byte]) != negated) add(byte);
        next();
        if (negated) glob_.trails_ |= bit_;  // what is not among them may be a character of several bytes
    }

    void read_range(std::array<bool, 128>& members) noexcept {
        if (rest_.size() < 2) return refuse("a '[' of a pattern has no ']'; the character itself is written [[]");
        const auto low = static_cast<uint8_t>(take());
        uint8_t high = low;
        if (rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']') {
            take();
            high = static_cast<uint8_t>(take());
        }
        if (low >= 128 || high >= 128) return refuse("the brackets of a pattern hold ASCII alone; use ? for others");
        if (low > high) return refuse("a range in a pattern's brackets runs backwards");
        for (unsigned byte = low; byte <= high; ++byte) members[byte] = true;
    }

    static bool continues(unsigned byte) noexcept { return (byte & 0xc0) == 0x80; }
    char take() noexcept {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }
    void add(unsigned byte) noexcept { glob_.steps_[byte] |= bit_; }
    void next() noexcept {
        if (++count_ > pattern_bytes_max)
            return refuse("a pattern has at most 63 bytes beside its stars; leave some out for a '*'");
        bit_ <<= 1;
    }
    void refuse(const char* fault) noexcept { fault_ = fault; }

    Glob glob_;
    std::string_view rest_;
    uint64_t bit_ = 1;
    size_t count_ = 0;
    const char* fault_ = nullptr;
};

std::expected<Glob, const char*> Glob::compile(std::string_view pattern) noexcept { return GlobReader(pattern).run(); }

bool Glob::matches(std::string_view text) const noexcept {
    uint64_t state = 1;
    for (const char c : text) {
        const auto byte = static_cast<uint8_t>(c);
        const uint64_t stay = (byte & 0xc0) == 0x80 ? loops_ | trails_ : loops_;
        state = (state & steps_[byte]) << 1 | (state & stay);
        if (state == 0) return false;
    }
    return (state & last_) != 0;
}

}  // namespace loom::rule
