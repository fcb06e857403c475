// Vertex's text embedding models, asked by :predict. Source: "Text embeddings API" of Vertex AI's pages. No client
// speaks it.
#include "embed_hub.h"

namespace loom::llm {

namespace {

class Vertex final : public EmbedDialect {
  public:
    Result<void> read_request(std::string_view, Context&, EmbeddingRequest&) const override {
        return fail(Errc::unsupported, Side::internal, "no client asks for embeddings in Vertex's own words");
    }

    Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const override {
        LOOM_TRY(require_texts(request, context));
        if (takes_one(context.terms.model)) LOOM_TRY(require_one(request, context));
        JsonOut json(out);
        json.open_object();
        json.key("instances");
        json.open_array();
        for (const EmbeddingInput& input : request.inputs) {
            json.open_object();
            if (request.task != EmbedTask::unset) json.member_string("task_type", gemini_task(request.task));
            json.member("title", request.title);
            json.member("content", input.text);
            json.close_object();
        }
        json.close_array();
        write_parameters(request, context, json);
        json.close_object();
        note_lost(has(request.user), "user", context);
        return {};
    }

    Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const override {
        bool counted = false;
        uint64_t tokens = 0;
        LOOM_TRY(read_embed_document(body, Side::upstream, context, [&](Cursor& cursor) {
            return cursor.each_member([&](Range key) {
                if (name_of(cursor, key) != "predictions") return cursor.skip_value();
                return cursor.each_element([&] { return read_prediction(cursor, context, answer, counted, tokens); });
            });
        }));
        if (counted) answer.usage = {.input = tokens, .total = tokens, .provenance = Usage::Provenance::reported};
        return {};
    }

    Result<void> write_answer(const EmbeddingAnswer&, const EmbeddingRequest&, Context&, ByteBuffer&) const override {
        return fail(Errc::unsupported, Side::internal, "no client is told embeddings in Vertex's own words");
    }

  private:
    /// "gemini-embedding-001 supports one instance per request".
    static bool takes_one(std::string_view model) noexcept { return model.starts_with("gemini-embedding"); }

    static void write_parameters(const EmbeddingRequest& request, Context& context, JsonOut& json) {
        const bool whole = request.truncate == "NONE";  // too long a text is to be an error
        note_lost(has(request.truncate) && !whole && request.truncate != "END", "truncate", context);
        if (!whole && request.dimensions == 0) return;
        json.key("parameters");
        json.open_object();
        if (whole) json.member_boolean("autoTruncate", false);
        if (request.dimensions > 0) json.member_number("outputDimensionality", request.dimensions);
        json.close_object();
    }

    static bool read_prediction(Cursor& cursor, Context& context, EmbeddingAnswer& answer, bool& counted,
                                uint64_t& tokens) {
        Embedding vector;
        const bool good = cursor.each_member([&](Range key) {
            if (name_of(cursor, key) != "embeddings" || cursor.peek() != '{') return cursor.skip_value();
            return cursor.each_member([&](Range inner) {
                const std::string_view name = name_of(cursor, inner);
                if (name == "values") return take_json(cursor, vector.floats);
                if (name != "statistics" || cursor.peek() != '{') return cursor.skip_value();
                return read_statistics(cursor, counted, tokens);
            });
        });
        answer.vectors.add(context.arena, vector);
        return good;
    }

    /// Its numbers are JSON's: some answers say 6.0.
    static bool read_statistics(Cursor& cursor, bool& counted, uint64_t& tokens) {
        return cursor.each_member([&](Range key) {
            if (name_of(cursor, key) != "token_count") return cursor.skip_value();
            Json number;
            if (!take_number(cursor, number)) return false;
            const double value = value_of(number);
            if (!has(number) || value < 0 || value > 1e15) return true;
            tokens += static_cast<uint64_t>(value);
            counted = true;
            return true;
        });
    }
};

}  // namespace

const EmbedDialect& vertex_embed_dialect() {
    static const Vertex dialect;
    return dialect;
}

}  // namespace loom::llm
