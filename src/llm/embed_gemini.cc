#include "dialect/gemini.h"
#include "embed_hub.h"

namespace loom::llm {

namespace {

using gemini::each_field;
using gemini::each_item;
using gemini::FieldName;

/// Reads one EmbedContentRequest. What a request of a batch says of itself must hold for all of them.
class ContentReader {
  public:
    ContentReader(Cursor& cursor, Context& context, EmbeddingRequest& request, bool is_first) noexcept
        : cursor_(cursor), context_(context), request_(request), is_first_(is_first) {}

    bool run() {
        const uint32_t begin = cursor_.offset();
        if (cursor_.peek() != '{') return cursor_.fail_here("an object is expected");
        const bool good = each_field(cursor_, [&](const FieldName& field) { return member(field); });
        if (!good) return false;
        if (texts_.empty() && request_.unsupported == nullptr) {
            context_.error_param = "content";
            return cursor_.fail_at(begin, "content is missing");
        }
        request_.inputs.add(context_.arena, {.text = joined_text(texts_, "\\n", context_.arena)});
        if (is_first_) {
            request_.task = task_;
            request_.title = title_;
            request_.dimensions = dimensions_;
            return true;
        }
        note_lost(task_ != request_.task, "requests[].taskType", context_);
        note_lost(title_ != request_.title, "requests[].title", context_);
        note_lost(dimensions_ != request_.dimensions, "requests[].outputDimensionality", context_);
        return true;
    }

  private:
    bool member(const FieldName& field) {
        if (field == "content" || field == "contents") return content();
        if (field == "model") return model();
        if (field == "title") return take_text(cursor_, title_);
        if (field == "taskType") return task();
        if (field == "outputDimensionality") return dimensions();
        if (field == "embedContentConfig") {
            return each_field(cursor_, [&](const FieldName& inner) { return member(inner); });
        }
        return gemini::lose(cursor_, context_, "", field.view());
    }

    bool content() {
        return each_field(cursor_, [&](const FieldName& field) {
            if (field != "parts") return cursor_.skip_value();  // the role says nothing here
            return each_item(cursor_, [&] { return part(); });
        });
    }

    bool part() {
        Part part;
        bool found = false;
        if (!gemini::read_part(cursor_, context_, "content.parts[].", part, found)) return false;
        if (found && part.kind == Part::Kind::text) texts_.add(context_.arena, part);
        if (found && part.kind != Part::Kind::text) {
            context_.error_param = "content";
            request_.unsupported = "only texts are embedded by another provider";
        }
        return true;
    }

    bool model() {
        if (!take_text(cursor_, request_.model)) return false;
        if (request_.model.starts_with("models/")) request_.model.remove_prefix(7);
        return true;
    }

    bool task() {
        Text word;
        if (!take_text(cursor_, word)) return false;
        task_ = task_of_gemini(word);
        note_lost(has(word) && task_ == EmbedTask::unset && word != "TASK_TYPE_UNSPECIFIED", "taskType", context_);
        return true;
    }

    bool dimensions() {
        std::optional<int64_t> value;
        if (!gemini::take_integer(cursor_, value)) return false;
        if (value && *value > 0) dimensions_ = static_cast<uint64_t>(*value);
        return true;
    }

    Cursor& cursor_;
    Context& context_;
    EmbeddingRequest& request_;
    bool is_first_;
    ArenaList<Part> texts_;
    EmbedTask task_ = EmbedTask::unset;
    Text title_;
    uint64_t dimensions_ = 0;
};

class GeminiEmbed final : public EmbedDialect {
  public:
    explicit GeminiEmbed(bool batch) noexcept : batch_(batch) {}

    Result<void> read_request(std::string_view body, Context& context, EmbeddingRequest& request) const override {
        return read_embed_document(body, Side::downstream, context, [&](Cursor& cursor) {
            const auto content = [&] { return ContentReader(cursor, context, request, request.inputs.empty()).run(); };
            if (!batch_) return content();
            return cursor.each_member([&](Range key) {
                if (FieldName(cursor, key) == "requests") return each_item(cursor, content);
                return gemini::lose(cursor, context, "", name_of(cursor, key));
            });
        });
    }

    Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const override {
        LOOM_TRY(require_texts(request, context));
        if (!batch_) LOOM_TRY(require_one(request, context));
        JsonOut json(out);
        if (batch_) {
            json.open_object();
            json.key("requests");
            json.open_array();
        }
        for (const EmbeddingInput& input : request.inputs) write_content(request, input, context, json);
        if (batch_) {
            json.close_array();
            json.close_object();
        }
        note_lost(has(request.user), "user", context);
        note_lost(has(request.truncate) && request.truncate != "END", "truncate", context);
        return {};
    }

    Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const override {
        return read_embed_document(body, Side::upstream, context, [&](Cursor& cursor) {
            return cursor.each_member([&](Range key) {
                const FieldName field(cursor, key);
                if (field == "embedding" || field == "embeddings")
                    return each_item(cursor, [&] { return read_vector(cursor, context, answer); });
                return field == "usageMetadata" ? gemini::read_usage(cursor, answer.usage) : cursor.skip_value();
            });
        });
    }

    Result<void> write_answer(const EmbeddingAnswer& answer, const EmbeddingRequest&, Context& context,
                              ByteBuffer& out) const override {
        JsonOut json(out);
        json.open_object();
        json.key(batch_ ? "embeddings" : "embedding");
        if (batch_) json.open_array();
        for (const Embedding& vector : answer.vectors) {
            json.open_object();
            json.key("values");
            if (!write_floats(vector, context, json))
                return fail(Errc::bad_message, Side::upstream, "an embedding that is no vector of numbers");
            json.close_object();
        }
        if (batch_) json.close_array();
        if (answer.usage.provenance != Usage::Provenance::none) {
            json.key("usageMetadata");
            json.open_object();
            json.member_number("promptTokenCount", answer.usage.input);
            json.close_object();
        }
        json.close_object();
        return {};
    }

  private:
    void write_content(const EmbeddingRequest& request, const EmbeddingInput& input, Context& context,
                       JsonOut& json) const {
        json.open_object();
        if (batch_) {  // each names its model again: the path's
            const std::string_view model = context.terms.model;
            json.key("model");
            json.open_text();
            if (!model.contains('/')) json.piece("models/");
            json.escaped(model);
            json.close_text();
        }
        json.key("content");
        json.open_object();
        json.key("parts");
        json.open_array();
        json.open_object();
        json.member("text", input.text);
        json.close_object();
        json.close_array();
        json.close_object();
        if (request.task != EmbedTask::unset) json.member_string("taskType", gemini_task(request.task));
        json.member("title", request.title);
        if (request.dimensions > 0) json.member_number("outputDimensionality", request.dimensions);
        json.close_object();
    }

    static bool read_vector(Cursor& cursor, Context& context, EmbeddingAnswer& answer) {
        Embedding vector;
        const bool good = each_field(cursor, [&](const FieldName& field) {
            return field == "values" ? take_json(cursor, vector.floats) : cursor.skip_value();
        });
        answer.vectors.add(context.arena, vector);
        return good;
    }

    bool batch_;
};

}  // namespace

const EmbedDialect& gemini_embed_dialect(bool batch) {
    static const GeminiEmbed single(false), many(true);
    return batch ? many : single;
}

}  // namespace loom::llm
