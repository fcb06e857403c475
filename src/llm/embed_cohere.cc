#include "embed_hub.h"

namespace loom::llm {

namespace {

/// The members of a /v2/embed request, and of Bedrock's, which has no model.
class RequestReader {
  public:
    RequestReader(Cursor& cursor, Context& context, EmbeddingRequest& request) noexcept
        : cursor_(cursor), context_(context), request_(request) {}

    bool run() {
        return cursor_.each_member([&](Range key) { return member(name_of(cursor_, key)); });
    }

  private:
    bool member(std::string_view name) {
        context_.error_param = "";
        if (name == "texts") return texts();
        if (name == "inputs") return inputs();
        if (name == "images") return images();
        if (name == "model") return take_text(cursor_, request_.model);
        if (name == "input_type") return input_type();
        if (name == "embedding_types") return types();
        if (name == "output_dimension") return cursor_.take_count(request_.dimensions) || cursor_.skip_value();
        if (name == "truncate") return take_text(cursor_, request_.truncate);
        if (!cursor_.is_null()) context_.losses.add(name);
        return cursor_.skip_value();
    }

    bool texts() {
        context_.error_param = "texts";
        if (cursor_.is_null()) return cursor_.skip_value();
        return cursor_.each_element([&] {
            if (cursor_.peek() != '"') return cursor_.fail_here("a text is expected");
            Text text;
            if (!take_text(cursor_, text)) return false;
            request_.inputs.add(context_.arena, {.text = text});
            return true;
        });
    }

    /// [{"content":[{"type":"text","text":"…"}]}]
    bool inputs() {
        context_.error_param = "inputs";
        if (cursor_.is_null()) return cursor_.skip_value();
        return cursor_.each_element([&] {
            ArenaList<Part> parts;
            const bool good = cursor_.each_member([&](Range key) {
                if (name_of(cursor_, key) != "content") return cursor_.skip_value();
                return cursor_.each_element([&] { return content(parts); });
            });
            if (good) request_.inputs.add(context_.arena, {.text = joined_text(parts, "\\n", context_.arena)});
            return good;
        });
    }

    bool content(ArenaList<Part>& parts) {
        Part part;
        const bool good = cursor_.each_member([&](Range key) {
            return name_of(cursor_, key) == "text" ? take_text(cursor_, part.text) : cursor_.skip_value();
        });
        if (has(part.text)) {
            parts.add(context_.arena, part);
        } else {
            refuse("inputs", "only texts are embedded by another provider");
        }
        return good;
    }

    bool images() {
        if (!cursor_.is_null()) refuse("images", "only texts are embedded by another provider");
        return cursor_.skip_value();
    }

    bool input_type() {
        Text word;
        if (!take_text(cursor_, word)) return false;
        request_.task = task_of_cohere(word);
        note_lost(has(word) && request_.task == EmbedTask::unset, "input_type", context_);
        return true;
    }

    bool types() {
        if (cursor_.peek() != '[') return cursor_.skip_value();
        bool floats = false, base64 = false, other = false;
        const bool good = cursor_.each_element([&] {
            Text word;
            if (!take_text(cursor_, word)) return false;
            floats |= word == "float";
            base64 |= word == "base64";
            other |= word != "float" && word != "base64";
            return true;
        });
        if (other) refuse("embedding_types", "another provider's vectors are float");
        request_.as_base64 = base64;
        request_.as_floats = floats || !base64;
        return good;
    }

    void refuse(const char* param, const char* what) noexcept {
        refused_ = refused_ == nullptr ? param : refused_;
        request_.unsupported = what;
        context_.error_param = refused_;
    }

    Cursor& cursor_;
    Context& context_;
    EmbeddingRequest& request_;
    const char* refused_ = nullptr;
};

class AnswerReader {
  public:
    AnswerReader(Cursor& cursor, Context& context, EmbeddingAnswer& answer) noexcept
        : cursor_(cursor), context_(context), answer_(answer) {}

    bool run() {
        return cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            if (name == "embeddings") return embeddings();
            if (name == "id") return take_text(cursor_, answer_.id);
            return name == "meta" && cursor_.peek() == '{' ? meta() : cursor_.skip_value();
        });
    }

  private:
    /// {"float": [[…], …]}, or the bare list that Bedrock gives to whoever named no type.
    bool embeddings() {
        if (cursor_.peek() == '[') return vectors();
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range key) {
            return name_of(cursor_, key) == "float" && cursor_.peek() == '[' ? vectors() : cursor_.skip_value();
        });
    }

    bool vectors() {
        return cursor_.each_element([&] {
            Embedding vector;
            if (!take_json(cursor_, vector.floats)) return false;
            answer_.vectors.add(context_.arena, vector);
            return true;
        });
    }

    /// billed_units is what is paid for; tokens may be there beside it.
    bool meta() {
        return cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            const bool counts = (name == "billed_units" || (name == "tokens" && !billed_)) && cursor_.peek() == '{';
            if (!counts) return cursor_.skip_value();
            billed_ |= name == "billed_units";
            return tokens();
        });
    }

    bool tokens() {
        uint64_t sum = 0;
        bool found = false;
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            uint64_t count = 0;
            const bool counts = name == "input_tokens" || name == "image_tokens";
            if (!counts || !cursor_.take_count(count)) return cursor_.skip_value();
            sum += count;
            found = true;
            return true;
        });
        if (found) answer_.usage = {.input = sum, .total = sum, .provenance = Usage::Provenance::reported};
        return good;
    }

    Cursor& cursor_;
    Context& context_;
    EmbeddingAnswer& answer_;
    bool billed_ = false;
};

class CohereEmbed final : public EmbedDialect {
  public:
    explicit CohereEmbed(bool bedrock) noexcept : bedrock_(bedrock) {}

    Result<void> read_request(std::string_view body, Context& context, EmbeddingRequest& request) const override {
        return read_embed_document(body, Side::downstream, context,
                                   [&](Cursor& cursor) { return RequestReader(cursor, context, request).run(); });
    }

    Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const override {
        LOOM_TRY(require_texts(request, context));
        JsonOut json(out);
        json.open_object();
        if (!bedrock_) json.member_string("model", context.terms.model);
        json.member_string("input_type", cohere_task(request.task));
        json.key("texts");
        json.open_array();
        for (const EmbeddingInput& input : request.inputs) json.text(input.text);
        json.close_array();
        json.key("embedding_types");
        json.open_array();
        json.string("float");
        json.close_array();
        write_dimensions(request, context, json);
        if (has(request.truncate)) json.member("truncate", truncate_word(request.truncate, context));
        json.close_object();
        note_lost(!cohere_knows(request.task), "task_type", context);
        note_lost(has(request.title), "title", context);
        note_lost(has(request.user), "user", context);
        return {};
    }

    Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const override {
        return read_embed_document(body, Side::upstream, context,
                                   [&](Cursor& cursor) { return AnswerReader(cursor, context, answer).run(); });
    }

    Result<void> write_answer(const EmbeddingAnswer& answer, const EmbeddingRequest& wanted, Context& context,
                              ByteBuffer& out) const override {
        JsonOut json(out);
        json.open_object();
        has(answer.id) ? json.member("id", answer.id) : json.member_string("id", context.terms.fallback_id);
        json.key("embeddings");
        json.open_object();
        const bool good = (!wanted.as_floats || write_vectors("float", write_floats, answer, context, json)) &&
                          (!wanted.as_base64 || write_vectors("base64", write_base64, answer, context, json));
        if (!good) return fail(Errc::bad_message, Side::upstream, "an embedding that is no vector of numbers");
        json.close_object();
        if (answer.usage.provenance != Usage::Provenance::none) write_meta(answer.usage, json);
        json.member_string("response_type", "embeddings_by_type");
        json.close_object();
        return {};
    }

  private:
    using WriteVector = bool (*)(const Embedding&, Context&, JsonOut&);

    /// Only embed-v4 and what came after it can be told.
    static void write_dimensions(const EmbeddingRequest& request, Context& context, JsonOut& json) {
        if (request.dimensions == 0) return;
        const std::string_view model = context.terms.model;
        const bool fixed = model.contains("-v2") || model.contains("-v3") || model.contains("-english-v") ||
                           model.contains("-multilingual-v");
        if (fixed) return context.losses.add("dimensions");
        json.member_number("output_dimension", request.dimensions);
    }

    /// Bedrock's embed-v4 says it by the side that is cut.
    [[nodiscard]] Text truncate_word(Text word, Context& context) const noexcept {
        if (!bedrock_ || !context.terms.model.contains("embed-v4")) return word;
        return word == "END" ? "RIGHT" : word == "START" ? "LEFT" : word;
    }

    static bool write_vectors(std::string_view type, WriteVector write, const EmbeddingAnswer& answer, Context& context,
                              JsonOut& json) {
        json.key(type);
        json.open_array();
        for (const Embedding& vector : answer.vectors)
            if (!write(vector, context, json)) return false;
        json.close_array();
        return true;
    }

    static void write_meta(const Usage& usage, JsonOut& json) {
        json.key("meta");
        json.open_object();
        json.key("api_version");
        json.open_object();
        json.member_string("version", "2");
        json.close_object();
        json.key("billed_units");
        json.open_object();
        json.member_number("input_tokens", usage.input);
        json.close_object();
        json.close_object();
    }

    bool bedrock_;
};

}  // namespace

const EmbedDialect& cohere_embed_dialect(bool bedrock) {
    static const CohereEmbed own(false), on_bedrock(true);
    return bedrock ? on_bedrock : own;
}

}  // namespace loom::llm
