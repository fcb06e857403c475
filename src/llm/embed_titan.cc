#include "embed_hub.h"

namespace loom::llm {

namespace {

class Titan final : public EmbedDialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, EmbeddingRequest& request) const override {
        return read_embed_document(body, Side::downstream, context, [&](Cursor& cursor) {
            return cursor.each_member([&](Range key) { return read_member(cursor, key, context, request); });
        });
    }

    Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const override {
        LOOM_TRY(require_texts(request, context));
        LOOM_TRY(require_one(request, context));
        JsonOut json(out);
        json.open_object();
        json.member("inputText", request.inputs.front().text);
        const bool is_first_model =
            context.terms.model.contains("titan-embed-text-v1") || context.terms.model.contains("titan-embed-g1");
        if (request.dimensions > 0 && !is_first_model) json.member_number("dimensions", request.dimensions);
        json.close_object();
        note_lost(request.dimensions > 0 && is_first_model, "dimensions", context);
        note_lost(request.task != EmbedTask::unset, "task_type", context);
        note_lost(has(request.title), "title", context);
        note_lost(has(request.user), "user", context);
        note_lost(has(request.truncate) && request.truncate != "NONE", "truncate", context);
        return {};
    }

    Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const override {
        return read_embed_document(body, Side::upstream, context, [&](Cursor& cursor) {
            Embedding vector;
            uint64_t count = 0;
            const bool good = cursor.each_member([&](Range key) {
                const std::string_view name = name_of(cursor, key);
                if (name == "embedding") return take_json(cursor, vector.floats);
                if (name != "inputTextTokenCount" || !cursor.take_count(count)) return cursor.skip_value();
                answer.usage = {.input = count, .total = count, .provenance = Usage::Provenance::reported};
                return true;
            });
            if (has(vector.floats)) answer.vectors.add(context.arena, vector);
            return good;
        });
    }

    Result<void> write_answer(const EmbeddingAnswer& answer, const EmbeddingRequest&, Context& context,
                              ByteBuffer& out) const override {
        JsonOut json(out);
        json.open_object();
        json.key("embedding");
        if (answer.vectors.empty() || !write_floats(answer.vectors.front(), context, json))
            return fail(Errc::bad_message, Side::upstream, "an embedding that is no vector of numbers");
        json.member_number("inputTextTokenCount", answer.usage.input);
        json.close_object();
        return {};
    }

  private:
    static bool read_member(Cursor& cursor, Range key, Context& context, EmbeddingRequest& request) {
        const std::string_view name = name_of(cursor, key);
        if (name == "inputText") {
            Text text;
            if (!take_text(cursor, text)) return false;
            if (has(text)) request.inputs.add(context.arena, {.text = text});
            return true;
        }
        if (name == "dimensions") return cursor.take_count(request.dimensions) || cursor.skip_value();
        if (name == "embeddingTypes" && cursor.peek() == '[') return read_types(cursor, context, request);
        const bool is_default = cursor.is_null() || (name == "normalize" && cursor.is_true());
        if (!is_default) context.losses.add(name);
        return cursor.skip_value();
    }

    static bool read_types(Cursor& cursor, Context& context, EmbeddingRequest& request) {
        return cursor.each_element([&] {
            Text word;
            if (!take_text(cursor, word)) return false;
            if (word == "float") return true;
            context.error_param = "embeddingTypes";
            request.unsupported = "another provider's vectors are float";
            return true;
        });
    }
};

}  // namespace

const EmbedDialect& titan_embed_dialect() {
    static const Titan dialect;
    return dialect;
}

}  // namespace loom::llm
