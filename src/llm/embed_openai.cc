#include "embed_hub.h"
#include "usage_object.h"

namespace loom::llm {

namespace {

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
        if (name == "input") return input();
        if (name == "model") return take_text(cursor_, request_.model);
        if (name == "dimensions") return cursor_.take_count(request_.dimensions) || cursor_.skip_value();
        if (name == "encoding_format") return format();
        if (name == "user") return take_text(cursor_, request_.user);
        // Not OpenAI's own, but what its clients send to models that ask for it.
        if (name == "input_type") return task(task_of_cohere, name);
        if (name == "task_type") return task(task_of_gemini, name);
        const bool says_nothing = cursor_.is_null();
        if (!says_nothing) context_.losses.add(name);
        return cursor_.skip_value();
    }

    /// "text", ["text", …], [1, 2, …] or [[1, 2], …].
    bool input() {
        context_.error_param = "input";
        if (cursor_.peek() == '"') return text();
        Cursor look = cursor_;
        bool is_tokens = false;
        const bool good = look.each_element([&] {
            is_tokens |= look.is_number();
            return look.skip_value();
        });
        if (good && is_tokens) return tokens();
        return cursor_.each_element([&] {
            if (cursor_.peek() == '"') return text();
            return cursor_.peek() == '[' ? tokens() : cursor_.fail_here("a text or an array of tokens is expected");
        });
    }

    bool text() {
        Text text;
        if (!take_text(cursor_, text)) return false;
        request_.inputs.add(context_.arena, {.text = text});
        return true;
    }

    bool tokens() {
        Range range;
        const uint32_t begin = cursor_.offset();
        bool only_numbers = true;
        Cursor look = cursor_;
        const bool good = look.each_element([&] {
            only_numbers &= look.is_number();
            return look.skip_value();
        });
        if (!cursor_.skip_value(range)) return false;
        if (good && !only_numbers) return cursor_.fail_at(begin, "tokens are numbers");
        request_.inputs.add(context_.arena, {.tokens = text_of(cursor_.text(), range)});
        return true;
    }

    bool format() {
        Text word;
        const uint32_t begin = cursor_.offset();
        if (!take_text(cursor_, word)) return false;
        request_.as_base64 = word == "base64";
        request_.as_floats = !request_.as_base64;
        if (!has(word) || word == "float" || word == "base64") return true;
        context_.error_param = "encoding_format";
        return cursor_.fail_at(begin, "encoding_format is float or base64");
    }

    bool task(EmbedTask (*task_of)(Text) noexcept, std::string_view name) {
        Text word;
        if (!take_text(cursor_, word)) return false;
        request_.task = task_of(word);
        note_lost(has(word) && request_.task == EmbedTask::unset, name, context_);
        return true;
    }

    Cursor& cursor_;
    Context& context_;
    EmbeddingRequest& request_;
};

class AnswerReader {
  public:
    AnswerReader(Cursor& cursor, Context& context, EmbeddingAnswer& answer) noexcept
        : cursor_(cursor), context_(context), answer_(answer) {}

    bool run() {
        return cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            bool found = false;
            if (name == "data" && cursor_.peek() == '[') return cursor_.each_element([&] { return element(); });
            if (name == "model") return take_text(cursor_, answer_.model);
            if (name == "id") return take_text(cursor_, answer_.id);
            if (name == "usage" && cursor_.peek() == '{') return read_usage_object(cursor_, answer_.usage, found);
            return cursor_.skip_value();
        });
    }
    /// False where the data say another order than they stand in.
    [[nodiscard]] bool in_order() const noexcept { return in_order_; }

  private:
    bool element() {
        Embedding vector;
        uint64_t index = answer_.vectors.count();
        if (cursor_.peek() != '{') return cursor_.fail_here("an object is expected");
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            if (name == "index") return cursor_.take_count(index) || cursor_.skip_value();
            if (name != "embedding") return cursor_.skip_value();
            return cursor_.peek() == '"' ? take_text(cursor_, vector.base64) : take_json(cursor_, vector.floats);
        });
        in_order_ &= index == answer_.vectors.count();
        answer_.vectors.add(context_.arena, vector);
        return good;
    }

    Cursor& cursor_;
    Context& context_;
    EmbeddingAnswer& answer_;
    bool in_order_ = true;
};

class Openai final : public EmbedDialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, EmbeddingRequest& request) const override {
        return read_embed_document(body, Side::downstream, context,
                                   [&](Cursor& cursor) { return RequestReader(cursor, context, request).run(); });
    }

    Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const override {
        JsonOut json(out);
        json.open_object();
        json.member_string("model", context.terms.model);
        json.key("input");
        json.open_array();
        for (const EmbeddingInput& input : request.inputs)
            has(input.text) ? json.text(input.text) : json.json(input.tokens);
        json.close_array();
        if (request.dimensions > 0) json.member_number("dimensions", request.dimensions);
        if (!request.as_floats) json.member_string("encoding_format", "base64");
        json.member("user", request.user);
        json.close_object();
        note_lost(request.task != EmbedTask::unset, "task_type", context);
        note_lost(has(request.title), "title", context);
        note_lost(has(request.truncate) && request.truncate != "NONE", "truncate", context);
        return {};
    }

    Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const override {
        bool in_order = true;
        LOOM_TRY(read_embed_document(body, Side::upstream, context, [&](Cursor& cursor) {
            AnswerReader reader(cursor, context, answer);
            const bool good = reader.run();
            in_order = reader.in_order();
            return good;
        }));
        if (!in_order) return fail(Errc::bad_message, Side::upstream, "embeddings are not in the order of their index");
        return {};
    }

    Result<void> write_answer(const EmbeddingAnswer& answer, const EmbeddingRequest& wanted, Context& context,
                              ByteBuffer& out) const override {
        JsonOut json(out);
        json.open_object();
        json.member_string("object", "list");
        json.key("data");
        json.open_array();
        uint64_t index = 0;
        for (const Embedding& vector : answer.vectors) {
            json.open_object();
            json.member_string("object", "embedding");
            json.member_number("index", index++);
            json.key("embedding");
            const bool good =
                wanted.as_base64 ? write_base64(vector, context, json) : write_floats(vector, context, json);
            if (!good) return fail(Errc::bad_message, Side::upstream, "an embedding that is no vector of numbers");
            json.close_object();
        }
        json.close_array();
        json.member_string("model", context.terms.client_model);
        json.key("usage");  // its clients read it unasked
        json.open_object();
        json.member_number("prompt_tokens", answer.usage.input);
        json.member_number("total_tokens", answer.usage.total);
        json.close_object();
        json.close_object();
        return {};
    }
};

}  // namespace

const EmbedDialect& openai_embed_dialect() {
    static const Openai dialect;
    return dialect;
}

}  // namespace loom::llm
