#include "anthropic_count.h"

#include "anthropic.h"
#include "json_out.h"

namespace loom::llm::anthropic {

Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return write_request(request, Form::count, context, out);
}

Result<uint64_t> read_count_answer(std::string_view body, Context& context) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::passed, tokens, fault))
        return fail(Errc::bad_message, Side::upstream, fault.what);
    Cursor cursor(body, tokens);
    uint64_t count = 0;
    bool found = false;
    const bool good = cursor.each_member([&](Range key) {
        if (name_of(cursor, key) != "input_tokens" || !cursor.take_count(count)) return cursor.skip_value();
        found = true;
        return true;
    });
    if (!good || !cursor.at_end() || !found)
        return fail(Errc::bad_message, Side::upstream, "the answer does not say how many input_tokens there are");
    return count;
}

void write_count_answer(uint64_t input_tokens, ByteBuffer& out) {
    JsonOut json(out);
    json.open_object();
    json.member_number("input_tokens", input_tokens);
    json.close_object();
}

}  // namespace loom::llm::anthropic
