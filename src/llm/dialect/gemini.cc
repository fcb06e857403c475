#include "gemini.h"

#include <algorithm>

namespace loom::llm {

namespace gemini {

FieldName::FieldName(std::string_view spelled) noexcept : view_(spelled) {
    if (spelled.size() > room_.size() || spelled.find('_') == spelled.npos) return;
    size_t bytes = 0;
    bool upper = false;
    for (const char c : spelled) {
        if (c == '_') {
            upper = true;
            continue;
        }
        room_[bytes++] = upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        upper = false;
    }
    view_ = {room_.data(), bytes};
}

bool take_integer(Cursor& cursor, std::optional<int64_t>& value) {
    constexpr double exact_max = 9007199254740992.0;  // up to here a double holds every integer
    Json number;
    const bool good = cursor.peek() == '"' ? take_text(cursor, number) : take_number(cursor, number);
    if (good && has(number) && !number.empty())
        value = static_cast<int64_t>(std::clamp(value_of(number), -exact_max, exact_max));
    return good;
}

bool lose(Cursor& cursor, Context& context, std::string_view where, std::string_view name) {
    Range range;
    if (!cursor.skip_value(range)) return false;
    const Json value = text_of(cursor.text(), range);
    constexpr std::array<std::string_view, 5> nothing = {"null", "false", "[]", "{}", "\"\""};
    if (std::ranges::find(nothing, value) != nothing.end()) return true;
    ArenaText whole(context.arena, where.size() + name.size() + 1);
    context.losses.add(whole.append(where).append(name).view());
    return true;
}

}  // namespace gemini

namespace {

class Gemini final : public Dialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const override {
        return gemini::read_request(body, context, request);
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override {
        return gemini::write_request(request, context, out);
    }
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return gemini::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const override {
        gemini::write_answer(answer, context, out);
    }
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        gemini::read_error(body, context, error);
    }
    void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out) const override {
        gemini::write_error(error, context, out);
    }
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return gemini::make_decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return gemini::make_encoder(); }
};

}  // namespace

const Dialect& gemini_dialect() {
    static const Gemini dialect;
    return dialect;
}

}  // namespace loom::llm
