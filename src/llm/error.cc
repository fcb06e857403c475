#include "loom/llm/error.h"

#include <cstring>

#include "loom/base/assert.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

constexpr size_t word_bytes_max = 48;  // of type, code and param

/// Appends to bounded memory; what must fit is asserted, what may be cut is cut between whole characters.
class Writer {
  public:
    explicit Writer(std::span<char> out) noexcept : out_(out) {}

    void literal(std::string_view text) noexcept {
        LOOM_ASSERT(text.size() <= out_.size() - used_);
        std::memcpy(out_.data() + used_, text.data(), text.size());
        used_ += text.size();
    }
    /// Escaped, in at most bytes_max bytes; "…" ends what was cut.
    void escaped(std::string_view text, size_t bytes_max) noexcept {
        const auto room = out_.subspan(used_, bytes_max);
        constexpr std::string_view ellipsis = "…";
        const size_t whole = escaped_bytes(text);
        if (whole <= room.size()) {
            used_ += escape(text, room);
            return;
        }
        used_ += escape(text, room.first(room.size() - ellipsis.size()));
        literal(ellipsis);
    }
    void word(std::string_view text) noexcept {
        if (text.empty()) return literal("null");
        literal("\"");
        escaped(text, word_bytes_max);
        literal("\"");
    }
    [[nodiscard]] size_t left() const noexcept { return out_.size() - used_; }
    [[nodiscard]] std::string_view written() const noexcept { return {out_.data(), used_}; }

  private:
    static size_t escaped_bytes(std::string_view text) noexcept {
        size_t bytes = 0;
        for (const char c : text) {
            const auto byte = static_cast<uint8_t>(c);
            const bool is_short = c == '"' || c == '\\' || (byte >= 8 && byte <= 13 && byte != 11);
            bytes += is_short ? 2 : byte < 0x20 ? 6 : 1;
        }
        return bytes;
    }
    std::span<char> out_;
    size_t used_ = 0;
};

/// Bytes behind the message at most: three words, their names, and the closing of an event.
constexpr std::string_view type_key = R"(","type":)", param_key = R"(,"param":)", code_key = R"(,"code":)";
constexpr std::string_view closing = "}}", event_end = "\n\n";
constexpr size_t tail_bytes_max =
    type_key.size() + param_key.size() + code_key.size() + closing.size() + event_end.size() + 3 * (word_bytes_max + 2);
static_assert(tail_bytes_max + 48 < error_bytes_min, "the shape fits with a few words of the message");

void write_document(Writer& writer, const ErrorBody& error) noexcept {
    writer.literal(R"({"error":{"message":")");
    writer.escaped(error.message, writer.left() - tail_bytes_max);
    writer.literal(type_key);
    writer.word(error.type);
    writer.literal(param_key);
    writer.word(error.param);
    writer.literal(code_key);
    writer.word(error.code);
    writer.literal(closing);
}

}  // namespace

std::string_view write_error(std::span<char> out, const ErrorBody& error) noexcept {
    LOOM_ASSERT(out.size() >= error_bytes_min);
    Writer writer(out);
    write_document(writer, error);
    return writer.written();
}

std::string_view write_error_event(std::span<char> out, const ErrorBody& error) noexcept {
    LOOM_ASSERT(out.size() >= error_bytes_min);
    Writer writer(out);
    writer.literal("data: ");
    write_document(writer, error);
    writer.literal(event_end);
    return writer.written();
}

}  // namespace loom::llm
