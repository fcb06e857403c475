// A conversation as Cohere's messages: the system's first, each tool's result a message of its own.
#include <algorithm>

#include "cohere.h"

namespace loom::llm::cohere {

namespace {

using Kind = Part::Kind;

bool is_system(const Message& message) noexcept {
    return message.role == Role::system || message.role == Role::developer;
}

/// A file whose text is known is one of the request's documents, which the model may cite.
bool is_document(const Part& part) noexcept {
    return part.kind == Kind::file && part.media.source == Media::Source::text;
}

bool is_file(const Part& part) noexcept {
    return part.kind == Kind::image || part.kind == Kind::audio || part.kind == Kind::video || part.kind == Kind::file;
}

bool is_said(const Part& part) noexcept {
    return (part.kind == Kind::text || part.kind == Kind::refusal) && !part.thought && !is_blank(part.text);
}

class MessagesWriter {
  public:
    MessagesWriter(const ChatRequest& request, Context& context, JsonOut& out) noexcept
        : request_(request), context_(context), out_(out) {}

    Result<void> run();
    [[nodiscard]] uint32_t document_count() const noexcept { return document_count_; }

  private:
    Result<void> write_system();
    Result<void> write_user(const Message& message);
    void write_assistant(const Message& message);
    Result<void> write_result(const Part& result);
    Result<void> write_result_blocks(const Part& result);
    Result<void> write_image(const Media& media);
    void write_text(Text text);
    void write_thinking(Text text);
    void write_call(const Part& call);
    void open_user();
    void close_user();
    void note(const Part& part);
    Result<void> refuse(const char* what) {
        context_.error_param = "messages";
        return fail(Errc::unsupported, Side::downstream, what);
    }

    const ChatRequest& request_;
    Context& context_;
    JsonOut& out_;
    bool user_open_ = false;  // messages of the user that follow each other become one
    uint32_t message_count_ = 0;
    uint32_t document_count_ = 0;
};

Result<void> MessagesWriter::run() {
    out_.key("messages");
    out_.open_array();
    LOOM_TRY(write_system());
    for (const Message& message : request_.messages) {
        if (is_system(message)) continue;
        if (has(message.name)) context_.losses.add("messages[].name");
        if (message.role == Role::assistant) {
            write_assistant(message);
        } else {
            LOOM_TRY(write_user(message));
        }
    }
    close_user();
    out_.close_array();
    if (message_count_ == 0) return refuse("Cohere takes no conversation without a text");
    return {};
}

/// Cohere wants it to be the first, so wherever they stood, all are there.
Result<void> MessagesWriter::write_system() {
    bool open = false;
    for (const Message& message : request_.messages) {
        if (!is_system(message)) continue;
        if (has(message.name)) context_.losses.add("messages[].name");
        for (const Part& part : message.parts) {
            if (part.kind != Kind::text) return refuse("Cohere takes texts alone as the system's");
            note(part);
            if (is_blank(part.text)) continue;
            if (!open) out_.open_object();
            if (!open) out_.member("role", "system");
            if (!open) out_.key("content");
            if (!open) out_.open_array();
            open = true;
            write_text(part.text);
        }
    }
    if (!open) return {};
    out_.close_array();
    out_.close_object();
    message_count_ += 1;
    return {};
}

/// Results come before the user's own words, as they do in the other protocols.
Result<void> MessagesWriter::write_user(const Message& message) {
    for (const Part& part : message.parts) {
        note(part);
        if (part.kind == Kind::tool_result) {
            close_user();
            LOOM_TRY(write_result(part));
        } else if (is_said(part)) {
            open_user();
            write_text(part.text);
        } else if (part.kind == Kind::image) {
            open_user();
            LOOM_TRY(write_image(part.media));
        } else if (is_document(part)) {
            document_count_ += 1;
        } else if (part.kind == Kind::file) {
            return refuse("Cohere takes files as plain text alone");
        } else if (part.kind == Kind::audio || part.kind == Kind::video) {
            return refuse("Cohere takes no sounds and no videos");
        }
    }
    return {};
}

void MessagesWriter::open_user() {
    if (user_open_) return;
    out_.open_object();
    out_.member("role", "user");
    out_.key("content");
    out_.open_array();
    user_open_ = true;
    message_count_ += 1;
}

void MessagesWriter::close_user() {
    if (!user_open_) return;
    out_.close_array();
    out_.close_object();
    user_open_ = false;
}

/// Beside calls, what the model thought is its plan for them.
void MessagesWriter::write_assistant(const Message& message) {
    const auto is_call = [](const Part& part) { return part.kind == Kind::tool_call; };
    const bool calls = std::ranges::any_of(message.parts, is_call);
    const auto is_content = [calls](const Part& part) {
        return is_said(part) || (!calls && part.kind == Kind::thinking && !is_blank(part.text));
    };
    for (const Part& part : message.parts) {
        note(part);
        if (part.kind == Kind::redacted_thinking) context_.losses.add("thinking_blocks");
        if (is_file(part)) context_.losses.add("messages[].content[]");  // Cohere's models say texts alone
        if (part.kind == Kind::thinking && has(part.signature)) context_.losses.add("thinking_blocks[].signature");
    }
    const bool speaks = std::ranges::any_of(message.parts, is_content);
    if (!speaks && !calls) return;
    close_user();
    out_.open_object();
    out_.member("role", "assistant");
    if (speaks) {
        out_.key("content");
        out_.open_array();
        for (const Part& part : message.parts) {
            if (!is_content(part)) continue;
            part.kind == Kind::thinking ? write_thinking(part.text) : write_text(part.text);
        }
        out_.close_array();
    }
    if (calls) {
        const auto is_plan = [](const Part& part) { return part.kind == Kind::thinking && !is_blank(part.text); };
        if (std::ranges::any_of(message.parts, is_plan)) {
            out_.key("tool_plan");
            out_.open_text();
            for (const Part& part : message.parts)
                if (is_plan(part)) out_.piece(part.text);
            out_.close_text();
        }
        out_.key("tool_calls");
        out_.open_array();
        for (const Part& part : message.parts)
            if (is_call(part)) write_call(part);
        out_.close_array();
    }
    out_.close_object();
    message_count_ += 1;
}

void MessagesWriter::write_call(const Part& call) {
    out_.open_object();
    out_.member("id", call.tool_id);
    out_.member("type", "function");
    out_.key("function");
    out_.open_object();
    out_.member("name", tool_name(call.tool_name, context_));
    out_.member_string("arguments", arguments_object(call, context_));
    out_.close_object();
    out_.close_object();
}

Result<void> MessagesWriter::write_result(const Part& result) {
    if (result.is_error) context_.losses.add("tool_result.is_error");
    out_.open_object();
    out_.member("role", "tool");
    out_.member("tool_call_id", result.tool_id);
    out_.key("content");
    out_.open_array();
    LOOM_TRY(write_result_blocks(result));
    out_.close_array();
    out_.close_object();
    message_count_ += 1;
    return {};
}

Result<void> MessagesWriter::write_result_blocks(const Part& result) {
    bool is_empty = true;
    if (result.result_json.starts_with('{')) {
        out_.open_object();
        out_.member("type", "document");
        out_.key("document");
        out_.open_object();
        out_.member_json("data", result.result_json);
        out_.close_object();
        out_.close_object();
        is_empty = false;
    } else if (has(result.result_json)) {
        write_text(escaped(result.result_json, context_.arena));
        is_empty = false;
    }
    for (const Part& part : result.content) {
        if (has(part.citations)) context_.losses.add("citations");
        if (part.kind != Kind::text && part.kind != Kind::refusal && !is_document(part))
            return refuse("Cohere takes texts alone as a tool's result");
        const Text text = is_document(part) ? part.media.data : part.text;
        if (is_blank(text)) continue;
        write_text(text);
        is_empty = false;
    }
    if (is_empty) write_text("no output");  // an empty message is refused
    return {};
}

Result<void> MessagesWriter::write_image(const Media& media) {
    if (media.source == Media::Source::file_id)
        return refuse("Cohere keeps no files: send the image's bytes or its URL");
    out_.open_object();
    out_.member("type", "image_url");
    out_.key("image_url");
    out_.open_object();
    out_.key("url");
    out_.open_text();
    if (media.source == Media::Source::base64) {
        out_.piece("data:");
        out_.piece(media.media_type.empty() ? Text("image/png") : media.media_type);
        out_.piece(";base64,");
    }
    out_.piece(media.data);
    out_.close_text();
    const bool is_known = media.detail == "auto" || media.detail == "low" || media.detail == "high";
    if (is_known) out_.member("detail", media.detail);
    if (!is_known && has(media.detail)) context_.losses.add("image_url.detail");
    out_.close_object();
    out_.close_object();
    return {};
}

void MessagesWriter::write_text(Text text) {
    out_.open_object();
    out_.member("type", "text");
    out_.member("text", text);
    out_.close_object();
}

void MessagesWriter::write_thinking(Text text) {
    out_.open_object();
    out_.member("type", "thinking");
    out_.member("thinking", text);
    out_.close_object();
}

void MessagesWriter::note(const Part& part) {
    if (has(part.cache_control)) context_.losses.add("cache_control");
    if (has(part.citations)) context_.losses.add("citations");
    const bool is_thinking = part.kind == Kind::thinking || part.kind == Kind::redacted_thinking;
    if (has(part.signature) && !is_thinking) context_.losses.add("thought_signature");
    if (part.thought) context_.losses.add("reasoning_content");
}

}  // namespace

Text tool_name(Text name, Context& context) { return context.aliases.alias_of(name, {.letter_first = true}); }

Result<void> write_messages(const ChatRequest& request, Context& context, JsonOut& out, uint32_t& document_count) {
    MessagesWriter writer(request, context, out);
    LOOM_TRY(writer.run());
    document_count = writer.document_count();
    return {};
}

void write_documents(const ChatRequest& request, JsonOut& out) {
    out.key("documents");
    out.open_array();
    for (const Message& message : request.messages) {
        if (is_system(message) || message.role == Role::assistant) continue;
        for (const Part& part : message.parts) {
            if (!is_document(part)) continue;
            out.open_object();
            out.key("data");
            out.open_object();
            out.member("title", part.media.name);
            out.member("content", part.media.data);
            out.close_object();
            out.close_object();
        }
    }
    out.close_array();
}

}  // namespace loom::llm::cohere
