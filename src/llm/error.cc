#include "loom/llm/error.h"

#include <algorithm>
#include <charconv>
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
    void number(uint64_t value) noexcept {
        char digits[20];
        literal({digits, static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits)});
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

void write_fields(Writer& writer, const ErrorBody& error) noexcept {
    writer.literal(R"("message":")");
    writer.escaped(error.message, writer.left() - tail_bytes_max);
    writer.literal(type_key);
    writer.word(error.type);
    writer.literal(param_key);
    writer.word(error.param);
    writer.literal(code_key);
    writer.word(error.code);
}

void write_openai(Writer& writer, const ErrorBody& error) noexcept {
    writer.literal(R"({"error":{)");
    write_fields(writer, error);
    writer.literal(closing);
}

/// A protocol's word for an HTTP status; the last row of a table stands for all others.
struct StatusWord {
    int status;
    std::string_view word;
};
constexpr StatusWord openai_words[] = {
    {400, error_type::invalid_request}, {401, error_type::authentication},
    {403, error_type::permission},      {404, error_type::not_found},
    {413, error_type::invalid_request}, {422, error_type::invalid_request},
    {429, error_type::rate_limit},      {0, error_type::server},
};
// Source  docs.anthropic.com/en/api/errors
constexpr StatusWord anthropic_words[] = {
    {400, "invalid_request_error"}, {401, "authentication_error"}, {402, "billing_error"},
    {403, "permission_error"},      {404, "not_found_error"},      {405, "invalid_request_error"},
    {409, "invalid_request_error"}, {413, "request_too_large"},    {415, "invalid_request_error"},
    {422, "invalid_request_error"}, {429, "rate_limit_error"},     {503, "overloaded_error"},
    {504, "timeout_error"},         {529, "overloaded_error"},     {0, "api_error"},
};
// Source  google/rpc/code.proto
constexpr StatusWord gemini_words[] = {
    {400, "INVALID_ARGUMENT"},  {401, "UNAUTHENTICATED"},
    {403, "PERMISSION_DENIED"}, {404, "NOT_FOUND"},
    {405, "INVALID_ARGUMENT"},  {409, "ABORTED"},
    {413, "INVALID_ARGUMENT"},  {415, "INVALID_ARGUMENT"},
    {422, "INVALID_ARGUMENT"},  {429, "RESOURCE_EXHAUSTED"},
    {499, "CANCELLED"},         {501, "UNIMPLEMENTED"},
    {502, "UNAVAILABLE"},       {503, "UNAVAILABLE"},
    {504, "DEADLINE_EXCEEDED"}, {0, "INTERNAL"},
};

std::string_view word_of(std::span<const StatusWord> words, int status) noexcept {
    const auto row = std::ranges::find(words, status, &StatusWord::status);
    return row != words.end() ? row->word : words.back().word;
}

/// The end of a document behind its message, and of an event behind that.
void write_message(Writer& writer, const ErrorBody& error, std::string_view end, size_t words = 0) noexcept {
    const size_t end_bytes = end.size() + words * (word_bytes_max + 2) + event_end.size();
    writer.escaped(error.message, writer.left() - end_bytes);
}

void write_anthropic(Writer& writer, int status, const ErrorBody& error) noexcept {
    constexpr std::string_view end = R"("}})";
    writer.literal(R"({"type":"error","error":{"type":)");
    writer.word(word_of(anthropic_words, status));
    writer.literal(R"(,"message":")");
    write_message(writer, error, end);
    writer.literal(end);
}

void write_gemini(Writer& writer, int status, const ErrorBody& error) noexcept {
    constexpr std::string_view status_key = R"(","status":)";
    writer.literal(R"({"error":{"code":)");
    writer.number(static_cast<uint64_t>(std::max(status, 0)));
    writer.literal(R"(,"message":")");
    write_message(writer, error, R"(","status":}})", 1);
    writer.literal(status_key);
    writer.word(word_of(gemini_words, status));
    writer.literal(closing);
}

void write_plain(Writer& writer, const ErrorBody& error) noexcept {
    constexpr std::string_view end = R"("})";
    writer.literal(R"({"message":")");
    write_message(writer, error, end);
    writer.literal(end);
}

/// Flat, as the API's reference has it; SDKs throw at the event's name.
void write_responses_event(Writer& writer, const ErrorBody& error, uint64_t sequence_number) noexcept {
    writer.literal(R"({"type":"error","sequence_number":)");
    writer.number(sequence_number);
    writer.literal(R"(,"message":")");
    write_message(writer, error, R"(","code":,"param":})", 2);
    writer.literal(R"(","code":)");
    writer.word(error.code);
    writer.literal(param_key);
    writer.word(error.param);
    writer.literal("}");
}

void write_document(Writer& writer, Protocol protocol, int status, const ErrorBody& error) noexcept {
    switch (protocol) {
        case Protocol::openai_chat:
        case Protocol::openai_responses:
        case Protocol::openai_completions: return write_openai(writer, error);
        case Protocol::anthropic: return write_anthropic(writer, status, error);
        case Protocol::gemini: return write_gemini(writer, status, error);
        case Protocol::bedrock:
        case Protocol::cohere: return write_plain(writer, error);
    }
    LOOM_ASSERT(!"a protocol without a shape for errors");
}

}  // namespace

std::string_view error_type_of(int status) noexcept { return word_of(openai_words, status); }

std::string_view write_error(std::span<char> out, const ErrorBody& error) noexcept {
    return write_error(Protocol::openai_chat, 0, out, error);
}

std::string_view write_error_event(std::span<char> out, const ErrorBody& error) noexcept {
    return write_error_event(Protocol::openai_chat, 0, out, error);
}

std::string_view write_error(Protocol protocol, int status, std::span<char> out, const ErrorBody& error) noexcept {
    LOOM_ASSERT(out.size() >= error_bytes_min);
    Writer writer(out);
    write_document(writer, protocol, status, error);
    return writer.written();
}

std::string_view write_error_event(Protocol protocol, int status, std::span<char> out, const ErrorBody& error,
                                   uint64_t sequence_number) noexcept {
    LOOM_ASSERT(out.size() >= error_bytes_min);
    LOOM_ASSERT(protocol != Protocol::bedrock);
    Writer writer(out);
    const bool is_responses = protocol == Protocol::openai_responses;
    if (protocol == Protocol::anthropic || is_responses) writer.literal("event: error\n");
    writer.literal("data: ");
    if (is_responses) {
        write_responses_event(writer, error, sequence_number);
    } else {
        write_document(writer, protocol, status, error);
    }
    writer.literal(event_end);
    return writer.written();
}

}  // namespace loom::llm
